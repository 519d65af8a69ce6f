//! An SQS queue to send to.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::Serialize;

use crate::error::{Error, Result};

/// SQS's greatest batch. Ten events of 20 KiB are far below what a batch may have in bytes.
const BATCH_MAX: usize = 10;

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    /// Sends one message, as JSON.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the queue does not take it.
    pub async fn send(&self, message: &impl Serialize) -> Result<()> {
        let body =
            serde_json::to_string(message).map_err(|_| Error::internal("a message has no form as JSON"))?;
        let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
        sent.map(drop).map_err(|error| unavailable(error.code()))
    }

    /// Sends messages, each as JSON, ten at a time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the queue does not take all of them; some may be sent then.
    pub async fn send_all(&self, messages: &[impl Serialize]) -> Result<()> {
        self.send_batches(None, messages).await
    }

    /// The same of one group: where groups wait for each other, none with much to do holds up one with little
    /// (SQS's fair queues).
    ///
    /// # Errors
    /// As [`Queue::send_all`].
    pub async fn send_of_group(&self, group: &str, messages: &[impl Serialize]) -> Result<()> {
        self.send_batches(Some(group), messages).await
    }

    async fn send_batches(&self, group: Option<&str>, messages: &[impl Serialize]) -> Result<()> {
        for batch in messages.chunks(BATCH_MAX) {
            let mut entries = Vec::new();
            for (index, message) in batch.iter().enumerate() {
                let body = serde_json::to_string(message)
                    .map_err(|_| Error::internal("a message has no form as JSON"))?;
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(body)
                    .set_message_group_id(group.map(ToOwned::to_owned))
                    .build();
                entries.push(entry.map_err(|_| Error::internal("an SDK request lacks a member"))?);
            }
            let sent = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
            let output = sent.send().await.map_err(|error| unavailable(error.code()))?;
            if let Some(failed) = output.failed.first() {
                return Err(unavailable(Some(failed.code())));
            }
        }
        Ok(())
    }
}

/// The code alone: a message of the queue's may quote what was sent.
fn unavailable(code: Option<&str>) -> Error {
    Error::Unavailable(code.unwrap_or("the queue can't be reached").to_owned().into())
}
