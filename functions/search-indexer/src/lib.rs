//! The `search-indexer` function: changes of heads, as the table's stream brings them, become cards and rows
//! of the index. Of an agent that changed several times in a batch only the last state is written. All of it
//! may be done again: a card knows the `rev` that it is of.

use std::collections::HashMap;

use agent_management::agent::Head;
use agent_management::agent::store::read_image;
use agent_management::clock::Clock;
use agent_management::dynamo::Store;
use agent_management::error::{Error, Result};
use agent_management::id::{AgentId, TenantId};
use agent_management::queue::Queue;
use agent_management::search::store::{Seen, index};
use aws_lambda_events::event::dynamodb::{Event as StreamEvent, EventRecord};
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

/// How many agents of a batch are indexed at once.
const AGENTS_AT_ONCE: usize = 8;

/// The function with what it depends on.
#[derive(Debug, Clone)]
pub struct SearchIndexer {
    store: Store,
    /// Where records go that can't be read.
    parked: Queue,
    clock: Clock,
}

/// An agent's part of a batch.
struct Part {
    tenant: TenantId,
    id: AgentId,
    seen: Seen,
    /// Where its first record stands in the batch.
    first: usize,
}

impl SearchIndexer {
    pub fn new(store: Store, parked: Queue, clock: Clock) -> Self {
        Self { store, parked, clock }
    }

    /// Answers a batch of the stream: which record has to come again, if one has.
    ///
    /// # Errors
    /// For an event that is no batch.
    pub async fn handle(&self, event: Value) -> Result<Value, lambda_runtime::Error> {
        let batch = StreamEvent::deserialize(event)?;
        Ok(serde_json::to_value(self.index(batch).await)?)
    }

    /// Indexes every agent of a batch. The answer names the first record that has to come again, if there is
    /// one; the stream resumes there.
    pub async fn index(&self, event: StreamEvent) -> DynamoDbEventResponse {
        let mut response = DynamoDbEventResponse::default();
        if let Err((sequence_number, error)) = self.try_index(event.records).await {
            tracing::error!(%error, cause = cause(&error), "a batch stops");
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = Some(sequence_number);
            response.batch_item_failures.push(failure);
        }
        response
    }

    async fn try_index(&self, records: Vec<EventRecord>) -> Result<(), (String, Error)> {
        let numbers: Vec<String> =
            records.iter().map(|record| record.change.sequence_number.clone().unwrap_or_default()).collect();
        let mut parts: Vec<Part> = Vec::new();
        let mut places: HashMap<(TenantId, AgentId), usize> = HashMap::new();
        let mut unparked = None;
        for (index, record) in records.into_iter().enumerate() {
            match read(record) {
                Ok(None) => {}
                Ok(Some(Changed { tenant, id, before, after })) => {
                    let place = *places.entry((tenant.clone(), id.clone())).or_insert(parts.len());
                    if place == parts.len() {
                        let seen = Seen { before, after: Vec::new() };
                        parts.push(Part { tenant, id, seen, first: index });
                    }
                    parts[place].seen.after.push(after);
                }
                Err(error) => {
                    // What came before it is still indexed: the stream counts that as done.
                    if let Err(error) = self.park(&numbers[index], &error).await {
                        unparked = Some((index, error));
                        break;
                    }
                }
            }
        }
        let now = self.clock.now();
        let indexed = futures_util::stream::iter(parts).map(|part| async move {
            let outcome = index(&self.store, &part.tenant, &part.id, &part.seen, now).await;
            outcome.map_err(|error| (part.first, error))
        });
        let outcomes: Vec<_> = indexed.buffer_unordered(AGENTS_AT_ONCE).collect().await;
        // Stop at the first failed record: the stream resumes there, and what comes again is known.
        let failures = outcomes.into_iter().filter_map(Result::err).chain(unparked);
        match failures.min_by_key(|(first, _)| *first) {
            None => Ok(()),
            Some((first, error)) => Err((numbers[first].clone(), error)),
        }
    }

    async fn park(&self, sequence_number: &str, error: &Error) -> Result<()> {
        tracing::error!(sequence_number, cause = cause(error), "a record is parked");
        // The table still has the item, and the index is made of it again when it changes next.
        self.parked.send(&json!({"sequence_number": sequence_number, "by": "search-indexer"})).await
    }
}

/// What a record says of an agent.
struct Changed {
    tenant: TenantId,
    id: AgentId,
    before: Option<Head>,
    after: Head,
}

/// An agent's change; none for a record of something else.
fn read(record: EventRecord) -> Result<Option<Changed>> {
    let Some((tenant, id, after)) = read_image(record.change.new_image)? else {
        return Ok(None);
    };
    // What can't be read any more is as good as none: the card tells what was there.
    let before = read_image(record.change.old_image).ok().flatten().map(|(_, _, before)| before);
    Ok(Some(Changed { tenant, id, before, after }))
}

fn cause(error: &Error) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}
