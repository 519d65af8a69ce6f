//! What a function calls, on this machine: the table's engine behind DynamoDB's protocol, and SQS and
//! `@connections` as services that take everything. The table has an endpoint of its own, so that the
//! first connection to it can be told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{Method, StatusCode};
use local::table::{Engine, operation};
use serde_json::{Value, json};

use crate::loopback::Loopback;

/// DynamoDB's greatest request, in bytes.
const REQUEST_MAX_BYTES: usize = 16 * 1024 * 1024;

/// The services of one execution environment.
#[derive(Debug)]
pub struct Services {
    table: Loopback,
    others: Loopback,
    counters: Arc<Counters>,
}

/// What the services other than the table have received.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Frames for sockets.
    pub frames: u64,
    /// Messages for queues.
    pub messages: u64,
}

#[derive(Debug, Default)]
struct Counters {
    frames: AtomicU64,
    /// Frames that tell a client of something that went wrong.
    complaints: AtomicU64,
    messages: AtomicU64,
}

impl Services {
    pub async fn serve(engine: Engine) -> Result<Self, String> {
        let counters = Arc::<Counters>::default();
        let others = Router::new().fallback(answer_others).with_state(Arc::clone(&counters));
        Ok(Self {
            table: Loopback::serve(Router::new().fallback(answer_table).with_state(engine)).await?,
            others: Loopback::serve(others).await?,
            counters,
        })
    }

    /// The variables that lead a function here.
    pub fn variables(&self) -> [(&'static str, String); 6] {
        let others = format!("http://{}", self.others.address);
        [
            ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", self.table.address)),
            ("AWS_ENDPOINT_URL_SQS", others.clone()),
            ("CONNECTIONS_URL", format!("{others}/bench")),
            ("WEBHOOK_QUEUE_URL", format!("{others}/000000000000/webhooks")),
            ("JOB_QUEUE_URL", format!("{others}/000000000000/jobs")),
            ("PARKED_QUEUE_URL", format!("{others}/000000000000/parked")),
        ]
    }

    /// When the table was first connected to; none if it was not yet.
    pub fn table_connected_at(&self) -> Option<Instant> {
        self.table.connected_at()
    }

    /// What sockets and queues have received.
    ///
    /// # Errors
    /// When a frame told a client that something went wrong.
    pub fn received(&self) -> Result<Received, String> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { frames, complaints, messages } = &*self.counters;
        match count(complaints) {
            0 => Ok(Received { frames: count(frames), messages: count(messages) }),
            complaints => Err(format!("{complaints} frames told clients of an error or a gap")),
        }
    }
}

async fn answer_table(State(engine): State<Engine>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_MAX_BYTES).await else {
        return document(StatusCode::PAYLOAD_TOO_LARGE, String::new());
    };
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let (status, answer) = engine.call(operation(target), std::str::from_utf8(&body).unwrap_or_default());
    document(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), answer)
}

async fn answer_others(State(counters): State<Arc<Counters>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_MAX_BYTES).await else {
        return document(StatusCode::PAYLOAD_TOO_LARGE, String::new());
    };
    if parts.uri.path().contains("connections/") {
        return answer_connections(&counters, &parts.method, &body);
    }
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = match operation(target) {
        "SendMessage" => sent(&counters, &Value::Null),
        "SendMessageBatch" => {
            let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
            let successful: Vec<_> = entries.iter().map(|entry| sent(&counters, &entry["Id"])).collect();
            json!({"Successful": successful, "Failed": []})
        }
        _ => return document(StatusCode::BAD_REQUEST, json!({"__type": "UnsupportedOperation"}).to_string()),
    };
    document(StatusCode::OK, answer.to_string())
}

/// `@connections`: every socket is open and keeps up.
fn answer_connections(counters: &Counters, method: &Method, frame: &[u8]) -> Response {
    match *method {
        Method::POST => {
            let frame: Value = serde_json::from_slice(frame).unwrap_or_default();
            let is_complaint =
                !frame["type"].is_string() || frame["type"] == "error" || frame["type"] == "gap";
            counters.frames.fetch_add(1, Ordering::Relaxed);
            counters.complaints.fetch_add(u64::from(is_complaint), Ordering::Relaxed);
            document(StatusCode::OK, String::new())
        }
        Method::GET => {
            let at = "2026-01-01T00:00:00Z";
            let connection =
                json!({"connectedAt": at, "lastActiveAt": at, "identity": {"sourceIp": "127.0.0.1"}});
            document(StatusCode::OK, connection.to_string())
        }
        _ => document(StatusCode::NO_CONTENT, String::new()),
    }
}

/// SQS's answer about one message.
fn sent(counters: &Counters, id: &Value) -> Value {
    let number = counters.messages.fetch_add(1, Ordering::Relaxed);
    json!({"Id": id, "MessageId": format!("message-{number}"), "MD5OfMessageBody": ""})
}

fn document(status: StatusCode, json: String) -> Response {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    let content_type = http::HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}
