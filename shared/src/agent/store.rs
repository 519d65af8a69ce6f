//! Agents in the table. The head is one item and every write of it states its condition: a creation
//! that there is none, a change the `rev` that it read. What a write counts in or out of the
//! tenant's quota is in the same transaction.

mod head;
mod list;
mod operations;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use jiff::Timestamp;

use super::{Agent, Creation, Head};
use crate::dynamo::transact::{self, Outcome, Patience, is_conflict};
use crate::dynamo::{Change, Item, Store, built, change, keys, number};
use crate::error::{Error, Result};
use crate::id::{AgentId, TenantId, UserId};
use crate::tenant::{self, Tenant};
use crate::tier::Entitlements;

pub use head::Memory;
pub use list::{Order, list};
pub use operations::Operation;

/// What became of an insertion.
#[derive(Debug)]
pub enum Insertion {
    Done,
    /// There is a head already; the request that made it stands beside it.
    Exists(Head, Option<Creation>),
    /// The tenant's record does not admit it as it stands.
    Refused(Tenant),
}

/// What became of a change.
#[derive(Debug)]
pub enum Written {
    Done,
    /// This very operation had landed before; the agent as it stands now.
    Landed(Box<Agent>),
    /// The head has moved on since it was read.
    Stale,
    /// The tenant's record does not admit it as it stands.
    Refused(Tenant),
}

/// What a write that counts an agent in assumes of the tenant.
#[derive(Debug, Clone, Copy)]
pub struct Assumed<'a> {
    pub entitlements: &'a Entitlements,
    pub agents_max: Option<u64>,
}

/// An agent as it was read: what a change is made from and conditional on.
#[derive(Debug, Clone)]
pub struct Stored {
    pub agent: Agent,
    memory: Memory,
}

impl Stored {
    /// Whether the head remembers the operation: then its effect is part of what was read.
    pub fn remembers(&self, operation: Operation) -> bool {
        self.memory.operations.contains(operation)
    }
}

/// Writes a new agent and counts it, in one transaction. Idempotent by the agent's id. `over` is
/// the `rev` of the tombstone that it replaces, if there is one.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub async fn insert(
    store: &Store,
    tenant: &TenantId,
    agent: &Agent,
    creation: Creation,
    over: Option<u64>,
    assumed: Assumed<'_>,
) -> Result<Insertion> {
    let mut item = head::item(tenant, agent)?;
    item.insert(head::CREATION.to_owned(), AttributeValue::B(Blob::new(creation.to_bytes())));
    let put = Put::builder().table_name(&store.table).set_item(Some(item));
    let put = match over {
        None => put.condition_expression("attribute_not_exists(PK)"),
        Some(rev) => put
            .condition_expression("attribute_exists(deleted_at) AND rev = :rev")
            .expression_attribute_values(":rev", number(rev)),
    };
    let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let count = tenant::store::count_agent(store, tenant, assumed.entitlements, assumed.agents_max)?;
    let actions = vec![TransactWriteItem::builder().put(built(put.build())?).build(), count];
    let Outcome::Refused(mut refused) = transact::write(store, actions).await? else {
        return Ok(Insertion::Done);
    };
    // The head first: a replay is recognised before the quota is judged.
    if let Some(item) = refused.first_mut().and_then(Option::take) {
        let creation = head::memory(&item).creation;
        return Ok(Insertion::Exists(head::parse(item)?, creation));
    }
    refused_tenant(&mut refused).map(Insertion::Refused)
}

/// An agent that is not deleted, read consistently.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(store: &Store, tenant: &TenantId, id: &AgentId) -> Result<Stored> {
    match get_head(store, tenant, id).await? {
        Some((Head::Live(agent), memory)) => Ok(Stored { agent: *agent, memory }),
        Some((Head::Deleted(_), _)) | None => Err(Error::NotFound("agent")),
    }
}

/// An agent that is not deleted and the tenant's record, read consistently in one call.
///
/// # Errors
/// [`Error::NotFound`] for the agent.
pub async fn get_with_tenant(
    store: &Store,
    tenant: &TenantId,
    id: &AgentId,
) -> Result<(Stored, Option<Tenant>)> {
    let request = KeysAndAttributes::builder()
        .keys(keys::agent_head(tenant, id).to_item())
        .keys(keys::tenant(tenant).to_item())
        .consistent_read(true);
    let (mut head, mut record) = (None, None);
    for item in store.get_all(built(request.build())?).await? {
        if item.get("entity").and_then(|entity| entity.as_s().ok()).is_some_and(|name| name == head::ENTITY) {
            head = Some(item);
        } else {
            record = Some(tenant::store::parse(item)?);
        }
    }
    let item = head.ok_or(Error::NotFound("agent"))?;
    let memory = head::memory(&item);
    match head::parse(item)? {
        Head::Live(agent) => Ok((Stored { agent: *agent, memory }, record)),
        Head::Deleted(_) => Err(Error::NotFound("agent")),
    }
}

/// Whatever stands at an agent's head, and the requests that it remembers.
///
/// # Errors
/// As the database's.
pub async fn get_head(store: &Store, tenant: &TenantId, id: &AgentId) -> Result<Option<(Head, Memory)>> {
    let Some(item) = store.get(&keys::agent_head(tenant, id)).await? else {
        return Ok(None);
    };
    let memory = head::memory(&item);
    Ok(Some((head::parse(item)?, memory)))
}

/// What a stream's image of an item says: whose and which agent's head it is, and the head. None of an
/// item that is no agent's head, or of no item.
///
/// # Errors
/// [`Error::Internal`] for a head that can't be read.
pub fn read_image(image: serde_dynamo::Item) -> Result<Option<(TenantId, AgentId, Head)>> {
    use serde_dynamo::AttributeValue::S;

    if !matches!(image.get("entity"), Some(S(entity)) if entity == head::ENTITY) {
        return Ok(None);
    }
    let key = match image.get(keys::PK) {
        Some(S(key)) => keys::split_agent_partition(key),
        Some(_) | None => None,
    };
    let (tenant, id) = key.ok_or_else(|| Error::internal("an image has no agent's key"))?;
    Ok(Some((tenant, id, head::parse(image)?)))
}

/// Makes `stored` into `after`, which must be one rev on. Attributes that this release does not know
/// stay. A change of whether the agent is counted is made in one transaction with the count.
/// Idempotent by `operation`.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub async fn update(
    store: &Store,
    tenant: &TenantId,
    stored: &Stored,
    after: &Agent,
    operation: Operation,
    assumed: Assumed<'_>,
) -> Result<Written> {
    let was_counted = stored.agent.status.is_counted();
    let count = match (was_counted, after.status.is_counted()) {
        (true, false) => tenant::store::release_agent(store, tenant)?,
        (false, true) => tenant::store::count_agent(store, tenant, assumed.entitlements, assumed.agents_max)?,
        (true, true) | (false, false) => {
            let change = difference(tenant, stored, after, operation)?;
            let key = keys::agent_head(tenant, &after.id);
            return update_alone(store, &key, change, stored.agent.rev, operation).await;
        }
    };
    match update_with(store, tenant, stored, after, operation, count).await? {
        Together::Written(written) => Ok(written),
        Together::OtherRefused(record) => tenant::store::parse(record).map(Written::Refused),
    }
}

/// What became of a change that is made together with another write.
#[derive(Debug)]
pub enum Together {
    Written(Written),
    /// The other write's condition was refused by this item.
    OtherRefused(Item),
}

/// Makes `stored` into `after` in one transaction with `other`, which should ask for `ALL_OLD` on a failed
/// condition. Idempotent by `operation`.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub async fn update_with(
    store: &Store,
    tenant: &TenantId,
    stored: &Stored,
    after: &Agent,
    operation: Operation,
    other: TransactWriteItem,
) -> Result<Together> {
    let change = difference(tenant, stored, after, operation)?;
    let update = Update::builder()
        .table_name(&store.table)
        .set_key(Some(keys::agent_head(tenant, &after.id).to_item()))
        .update_expression(change.expression)
        .condition_expression("rev = :rev")
        .set_expression_attribute_names(Some(change.names))
        .set_expression_attribute_values(Some(change.values))
        .expression_attribute_values(":rev", number(stored.agent.rev))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let update = TransactWriteItem::builder().update(built(update.build())?).build();
    let outcome = transact::write(store, vec![update, other]).await?;
    let Outcome::Refused(mut refused) = outcome else {
        return Ok(Together::Written(Written::Done));
    };
    // The head first: a replay is recognised before anything else is judged.
    if let Some(item) = refused.first_mut().and_then(Option::take) {
        return moved_on(item, operation).map(Together::Written);
    }
    let other = refused.get_mut(1).and_then(Option::take);
    other
        .map(Together::OtherRefused)
        .ok_or_else(|| Error::internal("a transaction was refused for no reason"))
}

/// What the write changes of the head, the memory of the operation included.
fn difference(tenant: &TenantId, stored: &Stored, after: &Agent, operation: Operation) -> Result<Change> {
    let mut new = head::item(tenant, after)?;
    let operations = stored.memory.operations.and(operation);
    new.insert(head::OPERATIONS.to_owned(), AttributeValue::B(Blob::new(operations.as_bytes())));
    Ok(change(&head::item(tenant, &stored.agent)?, &new))
}

async fn update_alone(
    store: &Store,
    key: &keys::Key,
    change: Change,
    rev: u64,
    operation: Operation,
) -> Result<Written> {
    let update = store
        .client
        .update_item()
        .table_name(&store.table)
        .set_key(Some(key.to_item()))
        .update_expression(change.expression)
        .condition_expression("rev = :rev")
        .set_expression_attribute_names(Some(change.names))
        .set_expression_attribute_values(Some(change.values))
        .expression_attribute_values(":rev", number(rev))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let mut patience = Patience::begin();
    loop {
        let Err(error) = update.clone().send().await else {
            return Ok(Written::Done);
        };
        match error.as_service_error().and_then(refused_update) {
            Some(item) => return moved_on(item, operation),
            None if is_conflict(&error) => patience.wait().await?,
            None => return Err(error.into()),
        }
    }
}

/// Makes the agent a tombstone one rev on, and counts it out if it was counted. Idempotent by
/// `operation`.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub async fn delete(
    store: &Store,
    tenant: &TenantId,
    stored: &Stored,
    operation: Operation,
    actor: &UserId,
    now: Timestamp,
) -> Result<Written> {
    let Stored { agent, memory } = stored;
    let mut item = head::tombstone(tenant, agent, actor, now)?;
    let operations = memory.operations.and(operation);
    item.insert(head::OPERATIONS.to_owned(), AttributeValue::B(Blob::new(operations.as_bytes())));
    if let Some(creation) = memory.creation {
        item.insert(head::CREATION.to_owned(), AttributeValue::B(Blob::new(creation.to_bytes())));
    }
    let put = Put::builder()
        .table_name(&store.table)
        .set_item(Some(item))
        .condition_expression("rev = :rev")
        .expression_attribute_values(":rev", number(agent.rev))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let mut actions = vec![TransactWriteItem::builder().put(built(put.build())?).build()];
    if agent.status.is_counted() {
        actions.push(tenant::store::release_agent(store, tenant)?);
    }
    finish(transact::write(store, actions).await?, operation)
}

fn finish(outcome: Outcome, operation: Operation) -> Result<Written> {
    let Outcome::Refused(mut refused) = outcome else {
        return Ok(Written::Done);
    };
    match refused.first_mut().and_then(Option::take) {
        Some(item) => moved_on(item, operation),
        None => refused_tenant(&mut refused).map(Written::Refused),
    }
}

/// The head is not at the rev that was read: because of this very operation, or of another.
fn moved_on(item: Item, operation: Operation) -> Result<Written> {
    if !head::memory(&item).operations.contains(operation) {
        return Ok(Written::Stale);
    }
    match head::parse(item)? {
        Head::Live(agent) => Ok(Written::Landed(agent)),
        Head::Deleted(_) => Ok(Written::Done),
    }
}

fn refused_update(error: &aws_sdk_dynamodb::operation::update_item::UpdateItemError) -> Option<Item> {
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
    match error {
        UpdateItemError::ConditionalCheckFailedException(refused) => {
            Some(refused.item().cloned().unwrap_or_default())
        }
        _ => None,
    }
}

fn refused_tenant(refused: &mut [Option<Item>]) -> Result<Tenant> {
    match refused.get_mut(1).and_then(Option::take) {
        Some(record) => tenant::store::parse(record),
        None => Err(Error::internal("a transaction was refused for no reason")),
    }
}
