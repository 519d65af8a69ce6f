//! Transactions, and the one thing about them that the SDK leaves to us: a transaction that met
//! another one on the same item is cancelled, and is worth another try.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use tokio::time::Instant;

use super::{Item, Store};
use crate::error::{Error, Result};

/// How long a transaction is tried again when it meets others.
const CONFLICT_PATIENCE: Duration = Duration::from_secs(1);
const BACKOFF_FIRST_MS: u64 = 5;
const BACKOFF_MAX_MS: u64 = 160;

/// What became of a transaction.
#[derive(Debug)]
pub enum Outcome {
    Written,
    /// For each action in its order, the item that its condition refused, if it did. The item is
    /// empty where there was none.
    Refused(Vec<Option<Item>>),
}

/// Writes all of `actions` or none. Actions should ask for `ALL_OLD` on a failed condition.
///
/// # Errors
/// [`Error::Unavailable`] when it still meets other transactions after a second, or the database
/// does not answer.
pub async fn write(store: &Store, actions: Vec<TransactWriteItem>) -> Result<Outcome> {
    let mut patience = Patience::begin();
    loop {
        let sent = store.client.transact_write_items().set_transact_items(Some(actions.clone())).send().await;
        let Err(error) = sent else {
            return Ok(Outcome::Written);
        };
        match cancellation(&error) {
            Some(reasons) if reasons.iter().any(is_contention) => patience.wait().await?,
            Some(reasons) if reasons.iter().any(|reason| code(reason) == "ConditionalCheckFailed") => {
                return Ok(Outcome::Refused(reasons.iter().map(refused_item).collect()));
            }
            Some(_) | None => return Err(error.into()),
        }
    }
}

/// How often and how long a write that met a transaction is tried again.
#[derive(Debug)]
pub(crate) struct Patience {
    deadline: Instant,
    backoff_ms: u64,
}

impl Patience {
    pub(crate) fn begin() -> Self {
        Self { deadline: Instant::now() + CONFLICT_PATIENCE, backoff_ms: BACKOFF_FIRST_MS }
    }

    /// Waits for the next try, at random.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it is over.
    pub(crate) async fn wait(&mut self) -> Result<()> {
        if Instant::now() >= self.deadline {
            return Err(Error::Unavailable("transactions keep meeting each other".into()));
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=self.backoff_ms))).await;
        self.backoff_ms = (self.backoff_ms * 2).min(BACKOFF_MAX_MS);
        Ok(())
    }
}

/// Whether a single write met a transaction, which the SDK does not try again by itself.
pub(crate) fn is_conflict<R>(error: &SdkError<UpdateItemError, R>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("TransactionConflictException")
}

fn cancellation<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            Some(cancelled.cancellation_reasons())
        }
        _ => None,
    }
}

fn is_contention(reason: &CancellationReason) -> bool {
    matches!(code(reason), "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
}

fn code(reason: &CancellationReason) -> &str {
    reason.code().unwrap_or("None")
}

fn refused_item(reason: &CancellationReason) -> Option<Item> {
    (code(reason) == "ConditionalCheckFailed").then(|| reason.item().cloned().unwrap_or_default())
}
