//! Agents in the table. The head is one item and every write of it states its condition: a creation
//! that there is none, a change the `rev` that it read.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::config::ModelRef;
use super::{Agent, Content, Creation, Head, Stamp, Status, Summary};
use crate::clock::rfc3339;
use crate::dynamo::transact::{self, Outcome};
use crate::dynamo::{Item, Store, built, from_item, keys, text, to_item};
use crate::error::{Error, Result};
use crate::id::{AgentId, AgentKey, TenantId, UserId};
use crate::page::Page;
use crate::tenant::{self, Tenant};
use crate::tier::Entitlements;

const ENTITY: &str = "agent";
/// The attribute that remembers the creating request.
const CREATION: &str = "creation";

/// What became of an insertion.
#[derive(Debug)]
pub enum Insertion {
    Done,
    /// There is a head already; the request that made it stands beside it.
    Exists(Head, Option<Creation>),
    /// The tenant's record does not admit it as it stands.
    Refused(Tenant),
}

/// What an insertion assumes of the tenant.
#[derive(Debug)]
pub struct Assumed<'a> {
    pub entitlements: &'a Entitlements,
    pub agents_max: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct HeadItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "GSI1PK")]
    gsi1_pk: String,
    #[serde(rename = "GSI1SK")]
    gsi1_sk: String,
    /// What the stream's filter tells items apart by.
    entity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<AgentKey>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_reason: Option<String>,
    owner: UserId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// JSON.
    metadata: String,
    /// JSON: one text costs fewer bytes than DynamoDB's maps, has no bound on depth and keeps
    /// numbers as they are.
    config: String,
    /// `provider/id`, for lists.
    model: String,
    rev: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_version: Option<u64>,
    created_at: String,
    created_by: UserId,
    updated_at: String,
    updated_by: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    archived_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archived_by: Option<UserId>,
}

/// What a deletion leaves at the head.
#[derive(Debug, Serialize, Deserialize)]
struct TombstoneItem {
    rev: u64,
    deleted_at: String,
}

/// Writes a new agent and counts it, in one transaction. Idempotent by the agent's id.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub async fn insert(
    store: &Store,
    tenant: &TenantId,
    agent: &Agent,
    creation: Creation,
    assumed: &Assumed<'_>,
) -> Result<Insertion> {
    let mut item = head_item(tenant, agent)?;
    item.insert(CREATION.to_owned(), AttributeValue::B(Blob::new(creation.to_bytes())));
    let put = Put::builder()
        .table_name(&store.table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(PK)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build();
    let count = tenant::store::count_agent(store, tenant, assumed.entitlements, assumed.agents_max)?;
    let outcome =
        transact::write(store, vec![TransactWriteItem::builder().put(built(put)?).build(), count]).await?;
    let Outcome::Refused(mut refused) = outcome else {
        return Ok(Insertion::Done);
    };
    // The head first: a replay is recognised before the quota is judged.
    if let Some(head) = refused.first_mut().and_then(Option::take) {
        let creation = creation_of(&head);
        return Ok(Insertion::Exists(parse(head)?, creation));
    }
    match refused.get_mut(1).and_then(Option::take) {
        Some(record) => Ok(Insertion::Refused(tenant::store::parse(record)?)),
        None => Err(Error::internal("a transaction was refused for no reason")),
    }
}

/// An agent that is not deleted, read consistently.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(store: &Store, tenant: &TenantId, id: &AgentId) -> Result<Agent> {
    match get_head(store, tenant, id).await? {
        Some((Head::Live(agent), _)) => Ok(*agent),
        Some((Head::Deleted { .. }, _)) | None => Err(Error::NotFound("agent")),
    }
}

/// Whatever stands at an agent's head, and the request that made it.
///
/// # Errors
/// As the database's.
pub async fn get_head(
    store: &Store,
    tenant: &TenantId,
    id: &AgentId,
) -> Result<Option<(Head, Option<Creation>)>> {
    let Some(item) = store.get(&keys::agent_head(tenant, id)).await? else {
        return Ok(None);
    };
    let creation = creation_of(&item);
    Ok(Some((parse(item)?, creation)))
}

/// The order of a list by time of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    NewestFirst,
    OldestFirst,
}

/// A page of the tenant's agents by time of creation, read from the index: a moment behind.
/// `after` is the sort key of the row that the page before ended with.
///
/// # Errors
/// [`Error::InvalidCursor`] for an `after` that is no sort key.
pub async fn list(
    store: &Store,
    tenant: &TenantId,
    order: Order,
    after: Option<&str>,
    limit: u32,
) -> Result<Page<Summary>> {
    let partition = keys::agents_by_creation(tenant);
    let start = after.map(|sort_key| start_key(tenant, &partition, sort_key)).transpose()?;
    let output = store
        .client
        .query()
        .table_name(&store.table)
        .index_name(keys::GSI1)
        .key_condition_expression("GSI1PK = :list")
        .expression_attribute_values(":list", text(partition))
        .scan_index_forward(order == Order::OldestFirst)
        .limit(i32::try_from(limit).unwrap_or(i32::MAX))
        .set_exclusive_start_key(start)
        .send()
        .await?;
    let next = output.last_evaluated_key.as_ref().and_then(|key| key.get(keys::GSI1_SK));
    let next_cursor = next.and_then(|sort_key| sort_key.as_s().ok()).cloned();
    let items = output.items.unwrap_or_default().into_iter().map(summary).collect::<Result<_>>()?;
    Ok(Page { items, next_cursor })
}

fn start_key(tenant: &TenantId, partition: &str, sort_key: &str) -> Result<Item> {
    let (_, id) = keys::split_agent_by_creation(sort_key).ok_or(Error::InvalidCursor)?;
    let mut key = keys::agent_head(tenant, &id).to_item();
    key.insert(keys::GSI1_PK.to_owned(), text(partition));
    key.insert(keys::GSI1_SK.to_owned(), text(sort_key));
    Ok(key)
}

#[derive(Deserialize)]
struct SummaryItem {
    #[serde(rename = "GSI1SK")]
    by_creation: String,
    key: Option<String>,
    name: String,
    status: String,
    #[serde(default)]
    tags: Vec<String>,
    model: String,
    rev: u64,
    published_version: Option<u64>,
    updated_at: String,
}

fn summary(item: Item) -> Result<Summary> {
    let row: SummaryItem = from_item(item)?;
    let Some((created_at, id)) = keys::split_agent_by_creation(&row.by_creation) else {
        return Err(Error::internal("a row of the list has a key of another shape"));
    };
    let (provider, model) = row.model.split_once('/').unwrap_or(("", &row.model));
    Ok(Summary {
        id: id.to_string(),
        key: row.key,
        name: row.name,
        status: row.status,
        tags: row.tags,
        model: ModelRef { provider: provider.to_owned(), id: model.to_owned() },
        rev: row.rev,
        published_version: row.published_version,
        created_at: created_at.to_owned(),
        updated_at: row.updated_at,
    })
}

fn head_item(tenant: &TenantId, agent: &Agent) -> Result<Item> {
    let json = |_: serde_json::Error| Error::internal("a stored JSON text cannot be read or written");
    let key = keys::agent_head(tenant, &agent.id);
    let content = &agent.content;
    let model = &content.config.model;
    let (suspended_reason, archived) = match &agent.status {
        Status::Active => (None, None),
        Status::Suspended { reason } => (Some(reason.clone()), None),
        Status::Archived(stamp) => (None, Some(stamp)),
    };
    to_item(&HeadItem {
        pk: key.pk,
        sk: key.sk,
        gsi1_pk: keys::agents_by_creation(tenant),
        gsi1_sk: keys::agent_by_creation(agent.created.at, &agent.id),
        entity: ENTITY.to_owned(),
        key: agent.key.clone(),
        name: content.name.clone(),
        description: content.description.clone(),
        status: agent.status.name().to_owned(),
        suspended_reason,
        owner: agent.owner.clone(),
        tags: content.tags.clone(),
        metadata: serde_json::to_string(&content.metadata).map_err(json)?,
        config: serde_json::to_string(&content.config).map_err(json)?,
        model: format!("{}/{}", model.provider, model.id),
        rev: agent.rev,
        published_version: agent.published_version,
        created_at: rfc3339(agent.created.at),
        created_by: agent.created.by.clone(),
        updated_at: rfc3339(agent.updated.at),
        updated_by: agent.updated.by.clone(),
        archived_at: archived.map(|stamp| rfc3339(stamp.at)),
        archived_by: archived.map(|stamp| stamp.by.clone()),
    })
}

fn parse(item: Item) -> Result<Head> {
    if item.contains_key("deleted_at") {
        let tombstone: TombstoneItem = from_item(item)?;
        return Ok(Head::Deleted { rev: tombstone.rev });
    }
    let head: HeadItem = from_item(item)?;
    let json = |_: serde_json::Error| Error::internal("a stored JSON text cannot be read or written");
    let id = head.pk.rsplit('#').next().unwrap_or_default();
    let created = Stamp { at: instant(&head.created_at)?, by: head.created_by };
    let updated = Stamp { at: instant(&head.updated_at)?, by: head.updated_by };
    let status = match (head.status.as_str(), head.archived_at, head.archived_by) {
        ("archived", Some(at), Some(by)) => Status::Archived(Stamp { at: instant(&at)?, by }),
        ("suspended", _, _) => Status::Suspended { reason: head.suspended_reason.unwrap_or_default() },
        (_, _, _) => Status::Active,
    };
    Ok(Head::Live(Box::new(Agent {
        id: id.parse().map_err(|_| Error::internal("a stored key holds no id"))?,
        key: head.key,
        content: Content {
            name: head.name,
            description: head.description,
            tags: head.tags,
            metadata: serde_json::from_str(&head.metadata).map_err(json)?,
            config: serde_json::from_str(&head.config).map_err(json)?,
        },
        status,
        owner: head.owner,
        rev: head.rev,
        published_version: head.published_version,
        created,
        updated,
    })))
}

fn instant(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|_| Error::internal("a stored time cannot be read"))
}

fn creation_of(item: &Item) -> Option<Creation> {
    item.get(CREATION)
        .and_then(|value| value.as_b().ok())
        .and_then(|bytes| Creation::from_bytes(bytes.as_ref()))
}
