//! Agents in the table. The head is one item and every write of it states its condition: a creation
//! that there is none, a change the `rev` that it read. What a write counts in or out of the
//! tenant's quota is in the same transaction.

mod head;
mod list;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{KeysAndAttributes, TransactWriteItem};
use jiff::Timestamp;

use super::{Agent, Creation, Head, Stamp, Tombstone};
use crate::dynamo::head::{self as heads, Inserted, Move, Moved};
use crate::dynamo::{BATCH_GET_MAX, Item, Store, built, keys};
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

    /// Whether the request made the agent.
    pub fn was_made_by(&self, creation: Creation) -> bool {
        self.memory.creation == Some(creation)
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
    insert_with(store, tenant, agent, creation, over, assumed, Vec::new()).await
}

/// The same in one transaction with `others`, which have no conditions.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub async fn insert_with(
    store: &Store,
    tenant: &TenantId,
    agent: &Agent,
    creation: Creation,
    over: Option<u64>,
    assumed: Assumed<'_>,
    others: Vec<TransactWriteItem>,
) -> Result<Insertion> {
    let count = tenant::store::count(store, tenant, Counted::Agents, assumed, &agent.updated)?;
    let beside = std::iter::once(count).chain(others);
    match heads::insert(store, head::item(tenant, agent)?, creation, over, beside).await? {
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
    let mut live = Vec::new();
    for head in get_heads(store, tenant, ids, true).await?.into_values() {
        match head {
            Found::Live(stored) => live.push(*stored),
            Found::Deleted(..) => {}
            Found::Unreadable => return Err(Error::internal("a stored agent cannot be read")),
        }
    }
    Ok(live)
}

/// Whatever stands at an agent's head when several are read.
#[derive(Debug, Clone)]
pub enum Found {
    Live(Box<Stored>),
    Deleted(Tombstone, Memory),
    /// It can't be read.
    Unreadable,
}

impl Found {
    /// Whether the head remembers the operation.
    pub fn remembers(&self, operation: Operation) -> bool {
        match self {
            Self::Live(stored) => stored.remembers(operation),
            Self::Deleted(_, memory) => memory.contains(operation),
            Self::Unreadable => false,
        }
    }
}

/// Whatever stands at the heads of agents, 100 in a call; a moment behind unless read consistently.
///
/// # Errors
/// As the database's.
pub async fn get_heads(
    store: &Store,
    tenant: &TenantId,
    ids: &[AgentId],
    is_consistent: bool,
) -> Result<HashMap<AgentId, Found>> {
    let mut items = Vec::new();
    for batch in ids.chunks(BATCH_GET_MAX) {
        let mut request = KeysAndAttributes::builder().consistent_read(is_consistent);
        for id in batch {
            request = request.keys(keys::agent_head(tenant, id).to_item());
        }
        items.extend(store.get_all(built(request.build())?).await?);
    }
    let mut found = HashMap::new();
    for item in items {
        let key = item.get(keys::PK).and_then(|key| key.as_s().ok());
        let Some((_, id)) = key.and_then(|key| keys::split_agent_partition(key)) else {
            return Err(Error::internal("a head has no agent's key"));
        };
        let memory = Memory::of(&item);
        let head = match head::parse(item) {
            Ok(Head::Live(agent)) => Found::Live(Box::new(Stored { agent: *agent, memory })),
            Ok(Head::Deleted(tombstone)) => Found::Deleted(tombstone, memory),
            Err(_) => Found::Unreadable,
        };
        found.insert(id, head);
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

/// Whether a stream's image of an agent's head is what a job has made of it.
pub fn was_job(image: &serde_dynamo::Item) -> bool {
    Memory::of_image(image).was_job()
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
