//! The `stream-fanout` function: changes of heads, as the table's stream brings them, become events.
//! Each goes to the tenant's log first, which numbers it; then to the sockets and the webhook queue; and
//! last its audit row is written, which says that all of it is done. All of it may be done again: the log knows an event
//! by its id, subscribers do, and an audit row is always the same.

mod announce;
mod batch;
mod hand_on;
mod memory;
mod posts;
mod push;
mod reconcile;
mod retiring;
mod upkeep;

use std::sync::Arc;

use agent_management::clock::Clock;
use agent_management::connection::post::Sockets;
use agent_management::error::Error;
use agent_management::queue::Queue;
use agent_management::usecase::Base;
use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use serde::Deserialize;
use serde_json::Value;

pub use reconcile::{Reconciled, SETTLED_AFTER_S};

use crate::memory::Memory;

/// The function with what it depends on, and what it remembers between invocations.
#[derive(Debug, Clone)]
pub struct StreamFanout {
    base: Base,
    sockets: Sockets,
    queues: Queues,
    clock: Clock,
    memory: Arc<Memory>,
}

/// The queues that it sends to.
#[derive(Debug, Clone)]
pub struct Queues {
    /// Deliveries to endpoints.
    pub webhooks: Queue,
    /// Jobs that are to be planned.
    pub jobs: Queue,
    /// Records that can't be read.
    pub parked: Queue,
}

impl StreamFanout {
    pub fn new(base: Base, sockets: Sockets, queues: Queues, clock: Clock) -> Self {
        Self { base, sockets, queues, clock, memory: Arc::default() }
    }

    /// Answers either trigger: a batch of the stream, or the schedule.
    ///
    /// # Errors
    /// As the database's, for the schedule, which then runs again. A batch says in its answer where
    /// it failed.
    pub async fn handle(&self, event: Value) -> Result<Value, lambda_runtime::Error> {
        if event.get("Records").is_none() {
            let reconciled = self.reconcile().await?;
            return Ok(serde_json::to_value(reconciled)?);
        }
        let batch = StreamEvent::deserialize(event)?;
        Ok(serde_json::to_value(self.fan_out(batch).await)?)
    }

    /// Announces every change of a batch. The answer names the first record that has to come again,
    /// if there is one; the stream resumes there.
    pub async fn fan_out(&self, event: StreamEvent) -> DynamoDbEventResponse {
        let mut response = DynamoDbEventResponse::default();
        if let Err(failed) = batch::fan_out(self, event.records).await {
            tracing::error!(error = %failed.error, cause = cause(&failed.error), "a batch stops");
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = Some(failed.sequence_number);
            response.batch_item_failures.push(failure);
        }
        response
    }
}

fn cause(error: &Error) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}
