//! The one table. [`Store`] is the client and the table's name; each feature's `store.rs` says
//! what it reads and writes. Keys are made in [`keys`] and nowhere else.

pub mod head;
pub mod keys;
pub mod transact;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, KeysAndAttributes, WriteRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

use self::transact::Patience;

/// DynamoDB's bound on a BatchGetItem.
pub(crate) const BATCH_GET_MAX: usize = 100;
/// DynamoDB's bound on a BatchWriteItem.
const BATCH_WRITE_MAX: usize = 25;

/// An item, as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// The table, and the client that reaches it.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl Store {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// One item by its key, read consistently.
    pub(crate) async fn get(&self, key: &keys::Key) -> Result<Option<Item>> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.to_item()))
            .consistent_read(true)
            .send()
            .await?;
        Ok(output.item)
    }

    /// One item by its key, as it is somewhere in the database: half as dear, and a moment old.
    pub(crate) async fn get_eventually(&self, key: &keys::Key) -> Result<Option<Item>> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key.to_item()));
        Ok(get.send().await?.item)
    }

    /// Every item that `request` names and that is there, in no order.
    pub(crate) async fn get_all(&self, request: KeysAndAttributes) -> Result<Vec<Item>> {
        let mut patience = Patience::begin();
        let mut found = Vec::new();
        let mut request = Some(request);
        while let Some(wanted) = request.take() {
            let output = self.client.batch_get_item().request_items(&self.table, wanted).send().await?;
            let before = found.len();
            found.extend(output.responses.unwrap_or_default().into_values().flatten());
            request = output.unprocessed_keys.and_then(|mut left| left.remove(&self.table));
            if found.len() > before {
                // An answer has 16 MB at most: the rest is no contention.
                patience = Patience::begin();
            } else if request.is_some() {
                patience.wait().await?;
            }
        }
        Ok(found)
    }

    /// Writes all of `requests`, however many the database takes at once.
    pub(crate) async fn write_all(&self, requests: Vec<WriteRequest>) -> Result<()> {
        for batch in requests.chunks(BATCH_WRITE_MAX) {
            let mut patience = Patience::begin();
            let mut left = batch.to_vec();
            while !left.is_empty() {
                let output = self.client.batch_write_item().request_items(&self.table, left).send().await?;
                left = output.unprocessed_items.unwrap_or_default().remove(&self.table).unwrap_or_default();
                if !left.is_empty() {
                    patience.wait().await?;
                }
            }
        }
        Ok(())
    }

    /// Removes items, whether they are there or not.
    pub(crate) async fn delete_all(&self, keys: Vec<keys::Key>) -> Result<()> {
        let mut requests = Vec::new();
        for key in keys {
            let delete = built(DeleteRequest::builder().set_key(Some(key.to_item())).build())?;
            requests.push(WriteRequest::builder().delete_request(delete).build());
        }
        self.write_all(requests).await
    }

    /// Whether the table answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Internal`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.get(&keys::ping()).await.map(drop)
    }
}

/// What a query finds, in its order, as long as it has up to `max_bytes` in all.
///
/// # Errors
/// As the database's.
pub(crate) async fn bounded_query(query: QueryFluentBuilder, max_bytes: usize) -> Result<Vec<Item>> {
    let (mut items, mut bytes, mut start) = (Vec::new(), 0, None);
    loop {
        let output = query.clone().set_exclusive_start_key(start).send().await?;
        for item in output.items.unwrap_or_default() {
            bytes += item.values().filter_map(|value| value.as_s().ok()).map(String::len).sum::<usize>();
            if bytes > max_bytes {
                return Ok(items);
            }
            items.push(item);
        }
        start = output.last_evaluated_key;
        if start.is_none() {
            return Ok(items);
        }
    }
}

/// `value` as an item.
pub(crate) fn to_item(value: &impl Serialize) -> Result<Item> {
    serde_dynamo::to_item(value).map_err(|_| Error::internal("a value has no form as an item"))
}

/// An item as a `T`. Attributes that `T` does not know are passed over: a newer release wrote them.
pub(crate) fn from_item<T: DeserializeOwned>(item: impl Into<serde_dynamo::Item>) -> Result<T> {
    serde_dynamo::from_item(item).map_err(|_| Error::internal("a stored item has another shape"))
}

/// An update expression, with its names and values.
#[derive(Debug)]
pub(crate) struct Change {
    pub expression: String,
    pub names: HashMap<String, String>,
    pub values: HashMap<String, AttributeValue>,
}

/// The update that makes `old` into `new`: it sets what differs and removes what is gone. What
/// neither names stays as it is.
pub(crate) fn change(old: &Item, new: &Item) -> Change {
    let mut change = Change { expression: String::new(), names: HashMap::new(), values: HashMap::new() };
    let differing = new.iter().filter(|(name, value)| old.get(*name) != Some(*value));
    let (mut set, mut removed) = (Vec::new(), Vec::new());
    for (index, (name, value)) in differing.enumerate() {
        set.push(format!("#s{index} = :s{index}"));
        change.names.insert(format!("#s{index}"), name.clone());
        change.values.insert(format!(":s{index}"), value.clone());
    }
    for (index, name) in old.keys().filter(|name| !new.contains_key(*name)).enumerate() {
        removed.push(format!("#r{index}"));
        change.names.insert(format!("#r{index}"), name.clone());
    }
    if !set.is_empty() {
        change.expression = format!("SET {}", set.join(", "));
    }
    if !removed.is_empty() {
        change.expression.push_str(&format!(" REMOVE {}", removed.join(", ")));
    }
    change
}

/// The item that refused a put by its condition, if that is why it failed.
pub(crate) fn refused_put<R>(error: &SdkError<PutItemError, R>) -> Option<Item> {
    match error.as_service_error()? {
        PutItemError::ConditionalCheckFailedException(refused) => {
            Some(refused.item().cloned().unwrap_or_default())
        }
        _ => None,
    }
}

/// Whether a put was refused by its condition.
pub(crate) fn is_refused_put<R>(error: &SdkError<PutItemError, R>) -> bool {
    refused_put(error).is_some()
}

/// What a builder of the SDK made; it fails only when a required member was left out.
pub(crate) fn built<T>(made: Result<T, BuildError>) -> Result<T> {
    made.map_err(|_| Error::internal("an SDK request lacks a member"))
}

pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

impl<E, R> From<SdkError<E, R>> for Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    fn from(error: SdkError<E, R>) -> Self {
        let is_transient = match &error {
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
            SdkError::ServiceError(service) => service.err().code().is_none_or(is_transient_code),
            _ => false,
        };
        let cause = DatabaseError(match &error {
            SdkError::ConstructionFailure(_) => "construction failure".into(),
            SdkError::TimeoutError(_) => "timeout".into(),
            SdkError::DispatchFailure(_) => "dispatch failure".into(),
            SdkError::ResponseError(_) => "unreadable response".into(),
            _ => error.code().unwrap_or("unknown").to_owned(),
        });
        if is_transient { Self::Unavailable(cause.into()) } else { Self::Internal(cause.into()) }
    }
}

/// The database's error by its code alone: its message may quote what a client sent.
#[derive(Debug, thiserror::Error)]
#[error("database: {0}")]
struct DatabaseError(String);

fn is_transient_code(code: &str) -> bool {
    matches!(
        code,
        "InternalServerError"
            | "ServiceUnavailable"
            | "ThrottlingException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "TransactionInProgressException"
            | "TransactionConflictException"
    )
}
