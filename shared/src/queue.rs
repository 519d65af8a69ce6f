//! An SQS queue to send to.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use serde::Serialize;

use crate::error::{Error, Result};

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
        sent.map(drop).map_err(|error| {
            // The code alone: a message of the service's may quote what was sent.
            Error::Unavailable(error.code().unwrap_or("the queue can't be reached").to_owned().into())
        })
    }
}
