//! The mapping of a queue to a function.
//!
//! Modelled: batches, partial failures (only what failed comes again, after its visibility timeout),
//! and the redrive policy: what was received too often goes to the dead-letter queue. Not modelled:
//! batching windows, and several batches at once.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Function, Turn, failures};
use crate::queues::{Message, Queues};

/// The settings of a mapping and its queue, by SQS's and Lambda's names.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub batch_size: usize,
    pub visibility_timeout: Duration,
    /// After how many receptions a message goes to the dead-letter queue.
    pub max_receive_count: u32,
}

/// How often the queue is looked at when nothing is sent.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const SETTLED_EVERY: Duration = Duration::from_millis(5);

/// A mapping.
#[derive(Debug)]
pub struct QueueMapping {
    queues: Queues,
    queue: &'static str,
    dead_letters: &'static str,
    settings: Settings,
    function: Function,
}

impl QueueMapping {
    pub fn new(
        queues: Queues,
        queue: &'static str,
        dead_letters: &'static str,
        settings: Settings,
        function: Function,
    ) -> Self {
        Self { queues, queue, dead_letters, settings, function }
    }

    /// Feeds the queue to its function, forever.
    pub async fn run(&self) {
        loop {
            match self.turn().await {
                Ok(Turn::Progress) => {}
                Ok(Turn::Idle | Turn::Retry) => {
                    // What becomes visible again does so by the clock.
                    let _ = tokio::time::timeout(LOOK_EVERY, self.queues.sent()).await;
                }
                Err(error) => {
                    tracing::error!(%error, queue = self.queue, "the queue can't be read");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    }

    /// Waits until the queue has no message.
    pub async fn settled(&self) {
        while self.queues.len(self.queue).is_ok_and(|messages| messages > 0) {
            tokio::time::sleep(SETTLED_EVERY).await;
        }
    }

    /// Whether the queue has no message.
    pub fn is_empty(&self) -> bool {
        self.queues.len(self.queue).is_ok_and(|messages| messages == 0)
    }

    /// Invokes the function with the next batch, if there is one.
    ///
    /// # Errors
    /// The queue's, as text.
    pub async fn turn(&self) -> Result<Turn, String> {
        let text = |error: rusqlite::Error| error.to_string();
        let received =
            self.queues.receive(self.queue, self.settings.batch_size, self.settings.visibility_timeout);
        let (batch, worn): (Vec<Message>, Vec<Message>) = received
            .map_err(text)?
            .into_iter()
            .partition(|message| message.receptions <= self.settings.max_receive_count);
        for message in &worn {
            tracing::error!(queue = self.queue, message = message.id, "a message goes to the dead letters");
            self.queues.redrive(message.id, self.dead_letters).map_err(text)?;
        }
        if batch.is_empty() {
            return Ok(if worn.is_empty() { Turn::Idle } else { Turn::Progress });
        }
        let answer = self.function.invoke(event(self.queue, &batch)).await;
        let failed = match &answer {
            Ok(answer) => failures(answer),
            Err(error) => {
                tracing::warn!(%error, queue = self.queue, "the function failed");
                None
            }
        };
        // What failed is visible again after its timeout; a failed function fails all of it.
        let Some(failed) = failed else {
            return Ok(Turn::Retry);
        };
        for message in batch.iter().filter(|message| !failed.contains(&message.id.to_string())) {
            self.queues.delete(message.id).map_err(text)?;
        }
        Ok(Turn::Progress)
    }
}

fn event(queue: &str, batch: &[Message]) -> Value {
    let records: Vec<Value> = batch
        .iter()
        .map(|message| {
            json!({
                "messageId": message.id.to_string(),
                "receiptHandle": message.id.to_string(),
                "body": message.body,
                "attributes": {"ApproximateReceiveCount": message.receptions.to_string()},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    json!({"Records": records})
}
