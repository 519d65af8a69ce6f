//! Agents in the table. The head is one item and every write of it states its condition: a creation
//! that there is none, a change the `rev` that it read. What a write counts in or out of the
//! tenant's quota is in the same transaction.

mod head;
mod list;

use aws_sdk_dynamodb::types::{KeysAndAttributes, TransactWriteItem};
use jiff::Timestamp;

use super::{Agent, Creation, Head, Stamp};
use crate::dynamo::head::{self as heads, Inserted, Move, Moved};
use crate::dynamo::{Item, Store, built, keys};
use crate::error::{Error, Result};
use crate::id::{AgentId, TenantId, UserId};
use crate::tenant::{self, Counted, Tenant};

pub use crate::dynamo::head::{Memory, Operation};
pub use crate::tenant::Assumed;
pub use list::{Order, candidates, list};

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

/// An agent as it was read: what a change is made from and conditional on.
#[derive(Debug, Clone)]
pub struct Stored {
    pub agent: Agent,
    memory: Memory,
}

impl Stored {
    /// Whether the head remembers the operation: then its effect is part of what was read.
    pub fn remembers(&self, operation: Operation) -> bool {
        self.memory.contains(operation)
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
    let count = tenant::store::count(store, tenant, Counted::Agents, assumed, &agent.updated)?;
    match heads::insert(store, head::item(tenant, agent)?, creation, over, count).await? {
        Inserted::Done => Ok(Insertion::Done),
        Inserted::Exists(item) => {
            let creation = Memory::of(&item).creation;
            Ok(Insertion::Exists(head::parse(item)?, creation))
        }
        Inserted::OtherRefused(record) => tenant::store::parse(record).map(Insertion::Refused),
    }
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

/// Those of up to 100 agents that are not deleted, read consistently in one call, in no order.
///
/// # Errors
/// As the database's.
pub async fn get_many(store: &Store, tenant: &TenantId, ids: &[AgentId]) -> Result<Vec<Stored>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut request = KeysAndAttributes::builder().consistent_read(true);
    for id in ids {
        request = request.keys(keys::agent_head(tenant, id).to_item());
    }
    let mut found = Vec::new();
    for item in store.get_all(built(request.build())?).await? {
        let memory = Memory::of(&item);
        if let Head::Live(agent) = head::parse(item)? {
            found.push(Stored { agent: *agent, memory });
        }
    }
    Ok(found)
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
    let memory = Memory::of(&item);
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
    let memory = Memory::of(&item);
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
        (true, false) => tenant::store::release(store, tenant, Counted::Agents, &after.updated)?,
        (false, true) => tenant::store::count(store, tenant, Counted::Agents, assumed, &after.updated)?,
        (true, true) | (false, false) => {
            let moved = heads::update(store, difference(tenant, stored, after, operation)?).await?;
            return match written(moved)? {
                Together::Written(written) => Ok(written),
                Together::OtherRefused(_) => Err(Error::internal("a single write had another beside it")),
            };
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
    written(heads::update_with(store, difference(tenant, stored, after, operation)?, other).await?)
}

/// What the write changes of the head.
fn difference<'a>(
    tenant: &TenantId,
    stored: &'a Stored,
    after: &Agent,
    operation: Operation,
) -> Result<Move<'a>> {
    Ok(Move {
        key: keys::agent_head(tenant, &after.id),
        before: head::item(tenant, &stored.agent)?,
        after: head::item(tenant, after)?,
        memory: &stored.memory,
        rev: stored.agent.rev,
        operation,
    })
}

fn written(moved: Moved) -> Result<Together> {
    Ok(match moved {
        Moved::Done => Together::Written(Written::Done),
        Moved::Stale => Together::Written(Written::Stale),
        Moved::OtherRefused(item) => Together::OtherRefused(item),
        Moved::Landed(item) => Together::Written(match head::parse(item)? {
            Head::Live(agent) => Written::Landed(agent),
            Head::Deleted(_) => Written::Done,
        }),
    })
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
    let tombstone = head::tombstone(tenant, agent, actor, now)?;
    let by = Stamp { at: now, by: actor.clone() };
    let release = agent.status.is_counted();
    let release = release.then(|| tenant::store::release(store, tenant, Counted::Agents, &by)).transpose()?;
    match written(heads::bury(store, tombstone, memory, agent.rev, operation, release).await?)? {
        Together::Written(written) => Ok(written),
        Together::OtherRefused(record) => tenant::store::parse(record).map(Written::Refused),
    }
}
