//! SQS on one machine: queues in a database file, and the SDK's HTTP client for them.
//!
//! Modelled: sending with a delay, receiving with a visibility timeout and a count of receptions,
//! deleting, moving what was received too often to another queue, and fair queues: of several groups each
//! has its turn. Not modelled: FIFO queues, attributes of messages, long polling, and the limit on messages
//! in flight.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent_management::clock::Clock;
use agent_management::queue::Queue;
use aws_sdk_sqs::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::table::operation;

/// SQS's greatest message, in bytes.
const MESSAGE_MAX_BYTES: usize = 1024 * 1024;
/// SQS's greatest delay, in seconds.
const DELAY_MAX_S: i64 = 900;
const URL: &str = "http://sqs.localhost/000000000000/";

/// Deliveries to webhook endpoints.
pub const WEBHOOKS: &str = "webhooks";
/// Steps of jobs.
pub const JOBS: &str = "jobs";
/// Steps of jobs that came too often.
pub const JOBS_DEAD: &str = "jobs-dead-letters";
/// Where records go that the stream's reader can't read.
pub const PARKED: &str = "parked";

/// All queues.
#[derive(Debug, Clone)]
pub struct Queues {
    messages: Arc<Mutex<Connection>>,
    clock: Clock,
    /// Whoever waits for a message.
    sent: Arc<Notify>,
    /// How many of the next requests are answered that the service is unavailable.
    failing: Arc<AtomicU32>,
}

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: i64,
    pub body: String,
    /// How often it has been received, this time included.
    pub receptions: u32,
}

impl Queues {
    /// Queues in a file, or in memory.
    ///
    /// # Errors
    /// As the file's, as text.
    pub fn open(file: Option<&Path>, clock: Clock) -> Result<Self, String> {
        let connection = match file {
            Some(file) => Connection::open(file),
            None => Connection::open_in_memory(),
        };
        let open = || -> rusqlite::Result<Connection> {
            let connection = connection?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS messages (
                     id INTEGER PRIMARY KEY AUTOINCREMENT,
                     queue TEXT NOT NULL,
                     body TEXT NOT NULL,
                     visible_at_ms INTEGER NOT NULL,
                     receptions INTEGER NOT NULL DEFAULT 0,
                     message_group TEXT
                 );
                 CREATE INDEX IF NOT EXISTS messages_by_queue ON messages (queue, visible_at_ms, id);",
            )?;
            // A file of an earlier release has no groups; of any other it is an error, which says so.
            let _ = connection.execute_batch("ALTER TABLE messages ADD COLUMN message_group TEXT");
            Ok(connection)
        };
        let connection = open().map_err(|error| error.to_string())?;
        Ok(Self {
            messages: Arc::new(Mutex::new(connection)),
            clock,
            sent: Arc::default(),
            failing: Arc::default(),
        })
    }

    /// The product's handle of a queue, through the SDK and `http_client`.
    pub fn queue(name: &str, http_client: SharedHttpClient) -> Queue {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .allow_no_auth()
            .endpoint_url("http://sqs.localhost")
            .http_client(http_client)
            .build();
        Queue::new(aws_sdk_sqs::Client::from_conf(config), format!("{URL}{name}"))
    }

    /// The next requests through the SDK are refused, as by a service that is down.
    pub fn fail_next(&self, requests: u32) {
        self.failing.store(requests, Ordering::Relaxed);
    }

    /// # Errors
    /// As the file's.
    pub fn send(
        &self,
        queue: &str,
        body: &str,
        group: Option<&str>,
        delay: Duration,
    ) -> rusqlite::Result<i64> {
        let visible_at_ms = self.in_ms(delay);
        let connection = self.locked();
        connection.execute(
            "INSERT INTO messages (queue, body, visible_at_ms, message_group) VALUES (?1, ?2, ?3, ?4)",
            params![queue, body, visible_at_ms, group],
        )?;
        self.sent.notify_one();
        Ok(connection.last_insert_rowid())
    }

    /// Waits until a message is sent, to whichever queue.
    pub async fn sent(&self) {
        self.sent.notified().await;
    }

    /// Up to `count` visible messages, the oldest of each group before the second of any, which nobody else
    /// sees for `visibility`.
    ///
    /// # Errors
    /// As the file's.
    pub fn receive(&self, queue: &str, count: usize, visibility: Duration) -> rusqlite::Result<Vec<Message>> {
        let (now_ms, until_ms) = (self.in_ms(Duration::ZERO), self.in_ms(visibility));
        let connection = self.locked();
        let mut statement = connection.prepare_cached(
            "UPDATE messages SET visible_at_ms = ?1, receptions = receptions + 1
             WHERE id IN (SELECT id FROM (
                              SELECT id, visible_at_ms, ROW_NUMBER() OVER (
                                  PARTITION BY message_group ORDER BY visible_at_ms, id) AS turn
                              FROM messages WHERE queue = ?2 AND visible_at_ms <= ?3)
                          ORDER BY turn, visible_at_ms, id LIMIT ?4)
             RETURNING id, body, receptions",
        )?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![until_ms, queue, now_ms, count], |row| {
            Ok(Message { id: row.get(0)?, body: row.get(1)?, receptions: row.get(2)? })
        })?;
        let mut messages = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        messages.sort_by_key(|message| message.id);
        Ok(messages)
    }

    /// # Errors
    /// As the file's.
    pub fn delete(&self, id: i64) -> rusqlite::Result<()> {
        self.locked().execute("DELETE FROM messages WHERE id = ?1", params![id]).map(drop)
    }

    /// Moves a message to another queue, as new.
    ///
    /// # Errors
    /// As the file's.
    pub fn redrive(&self, id: i64, to: &str) -> rusqlite::Result<()> {
        let now_ms = self.in_ms(Duration::ZERO);
        let moved = self.locked().execute(
            "UPDATE messages SET queue = ?1, visible_at_ms = ?2, receptions = 0 WHERE id = ?3",
            params![to, now_ms, id],
        );
        moved.map(drop)
    }

    /// How many messages the queue has, those included that nobody sees for now.
    ///
    /// # Errors
    /// As the file's.
    pub fn len(&self, queue: &str) -> rusqlite::Result<u64> {
        let count = "SELECT COUNT(*) FROM messages WHERE queue = ?1";
        self.locked().query_row(count, params![queue], |row| row.get(0))
    }

    /// How many messages of the queue are visible.
    ///
    /// # Errors
    /// As the file's.
    pub fn visible(&self, queue: &str) -> rusqlite::Result<u64> {
        let now_ms = self.in_ms(Duration::ZERO);
        self.locked()
            .query_row(
                "SELECT COUNT(*) FROM messages WHERE queue = ?1 AND visible_at_ms <= ?2",
                params![queue, now_ms],
                |row| row.get(0),
            )
            .optional()
            .map(Option::unwrap_or_default)
    }

    fn in_ms(&self, delay: Duration) -> i64 {
        self.clock.now().as_millisecond().saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
    }

    fn locked(&self) -> MutexGuard<'_, Connection> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request of SQS's JSON protocol.
    pub fn answer(&self, operation: &str, request: &Value) -> (u16, Value) {
        let is_failing =
            self.failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if is_failing.is_ok() {
            return (503, json!({"__type": "com.amazonaws.sqs#ServiceUnavailable", "message": ""}));
        }
        let Some(queue) = request["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()) else {
            return refusal("QueueDoesNotExist", "The request names no queue.");
        };
        match operation {
            "SendMessage" => self.take(queue, request),
            "SendMessageBatch" => {
                let entries = request["Entries"].as_array().cloned().unwrap_or_default();
                let (mut sent, mut failed) = (Vec::new(), Vec::new());
                for entry in &entries {
                    let id = entry["Id"].clone();
                    match self.take(queue, entry) {
                        (200, answer) => sent.push(json!({
                            "Id": id, "MessageId": answer["MessageId"], "MD5OfMessageBody": "",
                        })),
                        (status, answer) => failed.push(json!({
                            "Id": id, "Code": answer["__type"], "SenderFault": status < 500,
                        })),
                    }
                }
                (200, json!({"Successful": sent, "Failed": failed}))
            }
            _ => refusal("UnsupportedOperation", "Only sending is offered here."),
        }
    }

    /// Takes one message, if it is within SQS's bounds.
    fn take(&self, queue: &str, message: &Value) -> (u16, Value) {
        let body = message["MessageBody"].as_str().unwrap_or_default();
        let delay_s = message["DelaySeconds"].as_i64().unwrap_or_default();
        if body.is_empty() || body.len() > MESSAGE_MAX_BYTES || !(0..=DELAY_MAX_S).contains(&delay_s) {
            return refusal("InvalidParameterValue", "The body or the delay is outside its bounds.");
        }
        match self.send(
            queue,
            body,
            message["MessageGroupId"].as_str(),
            Duration::from_secs(delay_s.unsigned_abs()),
        ) {
            Ok(id) => (200, json!({"MessageId": id.to_string()})),
            Err(error) => {
                (500, json!({"__type": "com.amazonaws.sqs#InternalFailure", "message": error.to_string()}))
            }
        }
    }
}

fn refusal(code: &str, message: &str) -> (u16, Value) {
    (400, json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message}))
}

impl HttpConnector for Queues {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let (status, answer) =
            self.answer(operation(request.headers().get("x-amz-target")), &body.unwrap_or_default());
        let status = status.try_into().unwrap_or_else(|_| http::StatusCode::INTERNAL_SERVER_ERROR.into());
        let mut response = HttpResponse::new(status, SdkBody::from(answer.to_string()));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Queues {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
