//! Heads: items that count their changes in `rev` and remember the requests that made them. Every write of
//! one states its condition: a creation that there is none, a change the `rev` that it read. When the answer
//! to a write is lost and the SDK sends it again, the condition fails on the new `rev`, and what the head
//! remembers tells that it was the write itself.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::keys::Key;
use super::transact::{self, Outcome, Patience, is_conflict};
use super::{Item, Store, built, change, number};
use crate::creation::{Creation, OF_JOB};
use crate::error::{Error, Result};
use crate::id::{JobId, digest};

/// The attribute that remembers the creating request.
const CREATION: &str = "creation";
/// The attribute that remembers the last operations.
const OPERATIONS: &str = "ops";
/// The attribute that a deletion leaves, and nothing else has.
const DELETED_AT: &str = "deleted_at";
/// How many operations a head remembers.
pub const OPERATIONS_MAX: usize = 8;
const OPERATION_BYTES: usize = 8;

/// One write, told apart from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation([u8; OPERATION_BYTES]);

impl Operation {
    /// A new one for each write that a handler decides on; the SDK's retries send it again.
    pub fn begin() -> Self {
        Self::of_request(fastrand::u64(..).to_be_bytes())
    }

    /// The one that a request is, however often it comes.
    pub fn of(request: Creation) -> Self {
        Self::of_request(request.operation())
    }

    fn of_request(mut bytes: [u8; OPERATION_BYTES]) -> Self {
        bytes[0] &= !OF_JOB;
        Self(bytes)
    }

    /// The one by which a job changes an item, however often its chunk runs.
    pub fn of_job(job: &JobId, item: &str) -> Self {
        let digest = digest(&["job", job.as_str(), item]);
        let mut bytes: [u8; OPERATION_BYTES] = std::array::from_fn(|index| digest[index]);
        bytes[0] |= OF_JOB;
        Self(bytes)
    }

    fn is_of_job(self) -> bool {
        self.0[0] & OF_JOB != 0
    }
}

/// The operations that a head remembers, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Operations(Vec<u8>);

impl Operations {
    fn contains(&self, operation: Operation) -> bool {
        self.0.chunks(OPERATION_BYTES).any(|chunk| chunk == operation.0)
    }

    /// These and `operation`, without the oldest if there are too many.
    fn and(&self, operation: Operation) -> Self {
        let kept_max = (OPERATIONS_MAX - 1) * OPERATION_BYTES;
        let start = self.0.len().saturating_sub(kept_max);
        let mut bytes = self.0[start..].to_vec();
        bytes.extend_from_slice(&operation.0);
        Self(bytes)
    }
}

/// What a head remembers of the requests that made it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    pub creation: Option<Creation>,
    operations: Operations,
}

impl Memory {
    /// How many operations a head remembers.
    pub const OPERATIONS_MAX: usize = OPERATIONS_MAX;

    pub(crate) fn of(item: &Item) -> Self {
        let bytes = |name: &str| item.get(name).and_then(|value| value.as_b().ok());
        Self {
            creation: bytes(CREATION).and_then(|bytes| Creation::from_bytes(bytes.as_ref())),
            operations: Operations(
                bytes(OPERATIONS).map(|bytes| bytes.as_ref().to_vec()).unwrap_or_default(),
            ),
        }
    }

    /// What a stream's image of a head remembers of operations.
    pub(crate) fn of_image(image: &serde_dynamo::Item) -> Self {
        let bytes = |name: &str| match image.get(name) {
            Some(serde_dynamo::AttributeValue::B(bytes)) => Some(bytes.as_slice()),
            Some(_) | None => None,
        };
        Self {
            creation: bytes(CREATION).and_then(Creation::from_bytes),
            operations: Operations(bytes(OPERATIONS).unwrap_or_default().to_vec()),
        }
    }

    pub fn contains(&self, operation: Operation) -> bool {
        self.operations.contains(operation)
    }

    /// Whether a job made the last change.
    pub fn was_job(&self) -> bool {
        let last = self.operations.0.rchunks_exact(OPERATION_BYTES).next();
        match last.and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => Operation(bytes).is_of_job(),
            None => self.creation.is_some_and(Creation::is_of_job),
        }
    }

    /// `item`, remembering these and `operation`.
    fn and(&self, operation: Operation, mut item: Item) -> Item {
        let operations = self.operations.and(operation);
        item.insert(OPERATIONS.to_owned(), AttributeValue::B(Blob::new(operations.0)));
        item
    }
}

/// What became of an insertion.
#[derive(Debug)]
pub(crate) enum Inserted {
    Done,
    /// There is a head already.
    Exists(Item),
    /// The condition of the action that counts it was refused by this item.
    OtherRefused(Item),
}

/// What became of a change.
#[derive(Debug)]
pub(crate) enum Moved {
    Done,
    /// This very operation had landed before; the head as it stands now.
    Landed(Item),
    /// The head has moved on since it was read.
    Stale,
    /// The condition of the action beside it was refused by this item.
    OtherRefused(Item),
}

/// A change of a head: what it was read as and what it is to be, without what it remembers.
#[derive(Debug)]
pub(crate) struct Move<'a> {
    pub key: Key,
    pub before: Item,
    pub after: Item,
    pub memory: &'a Memory,
    /// Of the head that was read.
    pub rev: u64,
    pub operation: Operation,
}

/// Writes a new head and what goes with it, what counts it first, in one transaction. `over` is the `rev` of the tombstone that it
/// replaces, if there is one.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub(crate) async fn insert(
    store: &Store,
    mut item: Item,
    creation: Creation,
    over: Option<u64>,
    beside: impl IntoIterator<Item = TransactWriteItem>,
) -> Result<Inserted> {
    item.insert(CREATION.to_owned(), AttributeValue::B(Blob::new(creation.to_bytes())));
    let put = Put::builder().table_name(&store.table).set_item(Some(item));
    let put = match over {
        None => put.condition_expression("attribute_not_exists(PK)"),
        Some(rev) => put
            .condition_expression(format!("attribute_exists({DELETED_AT}) AND rev = :rev"))
            .expression_attribute_values(":rev", number(rev)),
    };
    let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let mut actions = vec![TransactWriteItem::builder().put(built(put.build())?).build()];
    actions.extend(beside);
    let Outcome::Refused(refused) = transact::write(store, actions).await? else {
        return Ok(Inserted::Done);
    };
    // The head first: a replay is recognised before the quota is judged.
    match first_refused(refused)? {
        (0, item) => Ok(Inserted::Exists(item)),
        (_, item) => Ok(Inserted::OtherRefused(item)),
    }
}

/// Makes the head what it is to be. Attributes that this release does not know stay. Idempotent by its
/// operation.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub(crate) async fn update(store: &Store, wanted: Move<'_>) -> Result<Moved> {
    let after = wanted.memory.and(wanted.operation, wanted.after);
    let change = change(&wanted.before, &after);
    let update = store
        .client
        .update_item()
        .table_name(&store.table)
        .set_key(Some(wanted.key.to_item()))
        .update_expression(change.expression)
        .condition_expression("rev = :rev")
        .set_expression_attribute_names(Some(change.names))
        .set_expression_attribute_values(Some(change.values))
        .expression_attribute_values(":rev", number(wanted.rev))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let mut patience = Patience::begin();
    loop {
        let Err(error) = update.clone().send().await else {
            return Ok(Moved::Done);
        };
        match error.as_service_error().and_then(refused_update) {
            Some(item) => return Ok(moved_on(item, wanted.operation)),
            None if is_conflict(&error) => patience.wait().await?,
            None => return Err(error.into()),
        }
    }
}

/// The same in one transaction with `other`, which should ask for `ALL_OLD` on a failed condition.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub(crate) async fn update_with(store: &Store, wanted: Move<'_>, other: TransactWriteItem) -> Result<Moved> {
    let after = wanted.memory.and(wanted.operation, wanted.after);
    let change = change(&wanted.before, &after);
    let update = Update::builder()
        .table_name(&store.table)
        .set_key(Some(wanted.key.to_item()))
        .update_expression(change.expression)
        .condition_expression("rev = :rev")
        .set_expression_attribute_names(Some(change.names))
        .set_expression_attribute_values(Some(change.values))
        .expression_attribute_values(":rev", number(wanted.rev))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let update = TransactWriteItem::builder().update(built(update.build())?).build();
    finish(transact::write(store, vec![update, other]).await?, wanted.operation)
}

/// Puts a tombstone in the head's place, which remembers what the head did, together with what counts it
/// out. Idempotent by `operation`.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub(crate) async fn bury(
    store: &Store,
    tombstone: Item,
    memory: &Memory,
    rev: u64,
    operation: Operation,
    release: Option<TransactWriteItem>,
) -> Result<Moved> {
    let mut item = memory.and(operation, tombstone);
    if let Some(creation) = memory.creation {
        item.insert(CREATION.to_owned(), AttributeValue::B(Blob::new(creation.to_bytes())));
    }
    let put = Put::builder()
        .table_name(&store.table)
        .set_item(Some(item))
        .condition_expression("rev = :rev")
        .expression_attribute_values(":rev", number(rev))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let mut actions = vec![TransactWriteItem::builder().put(built(put.build())?).build()];
    actions.extend(release);
    finish(transact::write(store, actions).await?, operation)
}

fn finish(outcome: Outcome, operation: Operation) -> Result<Moved> {
    let Outcome::Refused(refused) = outcome else {
        return Ok(Moved::Done);
    };
    // The head first: a replay is recognised before anything else is judged.
    match first_refused(refused)? {
        (0, item) => Ok(moved_on(item, operation)),
        (_, item) => Ok(Moved::OtherRefused(item)),
    }
}

/// The first action that was refused, and the item that refused it.
fn first_refused(refused: Vec<Option<Item>>) -> Result<(usize, Item)> {
    let found = refused.into_iter().enumerate().find_map(|(index, item)| Some((index, item?)));
    found.ok_or_else(|| Error::internal("a transaction was refused for no reason"))
}

/// The head is not at the rev that was read: because of this very operation, or of another.
fn moved_on(item: Item, operation: Operation) -> Moved {
    if Memory::of(&item).contains(operation) { Moved::Landed(item) } else { Moved::Stale }
}

fn refused_update(error: &UpdateItemError) -> Option<Item> {
    match error {
        UpdateItemError::ConditionalCheckFailedException(refused) => {
            Some(refused.item().cloned().unwrap_or_default())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_eight_are_remembered() {
        let operations: Vec<_> = (0..9).map(|_| Operation::begin()).collect();
        let remembered = operations.iter().fold(Operations::default(), |all, one| all.and(*one));
        assert!(!remembered.contains(operations[0]));
        assert!(operations[1..].iter().all(|one| remembered.contains(*one)));
        let item = Memory { creation: None, operations: remembered.clone() }.and(operations[0], Item::new());
        assert_eq!(Memory::of(&item).operations, remembered.and(operations[0]));
    }
}
