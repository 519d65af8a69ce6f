//! The head as an item: the one place that knows its attributes.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::agent::version::{Published, Versions};
use crate::agent::{Agent, Content, Head, Stamp, Status, Tombstone};
use crate::clock::rfc3339;
use crate::dynamo::{Item, from_item, keys, to_item};
use crate::entitlement::reconcile::Standing;
use crate::error::{Error, Result};
use crate::id::{AgentKey, TenantId, UserId};
use crate::tier::Needs;

pub(super) const ENTITY: &str = "agent";
/// The attribute that has the last version's content in short, and all numbers.
const VERSIONS: &str = "versions";
/// The attribute that has the numbers of the versions that `live` has led to.
const LED: &str = "led";
/// How long a tombstone is kept, in seconds: 400 days, past every audit row.
const TOMBSTONE_AGE_S: i64 = 400 * 24 * 3_600;

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
    /// JSON: one text has no bound on depth, is hashed as it stands and is read without a second
    /// model of values.
    config: String,
    /// `provider/id`, for lists.
    model: String,
    rev: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_version: Option<u64>,
    /// JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    aliases: Option<String>,
    /// JSON: the template's id, version and variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    /// JSON: that the model retires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retiring: Option<String>,
    /// JSON: [`Brief`].
    #[serde(default)]
    brief: String,
    created_at: String,
    created_by: UserId,
    updated_at: String,
    updated_by: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    archived_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archived_by: Option<UserId>,
}

/// What a row of the list says beyond what every list's has: what a tier judges the agent by.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Brief {
    #[serde(flatten)]
    pub needs: Needs,
    /// Whether it is suspended for want of room.
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_over_limit: bool,
}

impl Brief {
    fn of(agent: &Agent) -> Self {
        let needs = Needs::of(&agent.content.config);
        Self { needs, is_over_limit: Standing::of(&agent.status) == Standing::OverLimit }
    }
}

/// What a deletion leaves at the head.
#[derive(Debug, Serialize, Deserialize)]
struct TombstoneItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    rev: u64,
    name: String,
    deleted_at: String,
    updated_by: UserId,
    /// Seconds since the epoch.
    ttl: i64,
}

/// The tombstone that a deletion writes.
pub(super) fn tombstone(tenant: &TenantId, agent: &Agent, actor: &UserId, now: Timestamp) -> Result<Item> {
    let key = keys::agent_head(tenant, &agent.id);
    to_item(&TombstoneItem {
        pk: key.pk,
        sk: key.sk,
        entity: ENTITY.to_owned(),
        rev: agent.rev + 1,
        name: agent.content.name.clone(),
        deleted_at: rfc3339(now),
        updated_by: actor.clone(),
        ttl: now.as_second() + TOMBSTONE_AGE_S,
    })
}

pub(super) fn item(tenant: &TenantId, agent: &Agent) -> Result<Item> {
    let json = |_: serde_json::Error| Error::internal("a stored JSON text cannot be read or written");
    let key = keys::agent_head(tenant, &agent.id);
    let content = &agent.content;
    let model = &content.config.model;
    let (suspended_reason, archived) = match &agent.status {
        Status::Active => (None, None),
        Status::Suspended { reason } => (Some(reason.clone()), None),
        Status::Archived(stamp) => (None, Some(stamp)),
    };
    let template = agent.template.as_ref().map(serde_json::to_string).transpose().map_err(json)?;
    let retiring = agent.retiring.as_ref().map(serde_json::to_string).transpose().map_err(json)?;
    let aliases = (!agent.aliases.is_empty()).then(|| serde_json::to_string(&agent.aliases)).transpose();
    let mut item = to_item(&HeadItem {
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
        published_version: agent.published_version(),
        aliases: aliases.map_err(json)?,
        template,
        retiring,
        brief: serde_json::to_string(&Brief::of(agent)).map_err(json)?,
        created_at: rfc3339(agent.created.at),
        created_by: agent.created.by.clone(),
        updated_at: rfc3339(agent.updated.at),
        updated_by: agent.updated.by.clone(),
        archived_at: archived.map(|stamp| rfc3339(stamp.at)),
        archived_by: archived.map(|stamp| stamp.by.clone()),
    })?;
    if let Some(published) = agent.published {
        let mut bytes = published.content.to_vec();
        bytes.extend(agent.versions.to_bytes());
        item.insert(VERSIONS.to_owned(), AttributeValue::B(Blob::new(bytes)));
        item.insert(LED.to_owned(), AttributeValue::B(Blob::new(agent.led.to_bytes())));
    }
    Ok(item)
}

/// What [`item`] keeps of versions: the last one's content and all numbers.
fn versions(
    kept: Option<&serde_dynamo::AttributeValue>,
    last: Option<u64>,
) -> Result<(Option<Published>, Versions)> {
    let Some(version) = last else {
        return Ok((None, Versions::default()));
    };
    let bytes = match kept {
        Some(serde_dynamo::AttributeValue::B(bytes)) => bytes.split_at_checked(16),
        Some(_) | None => None,
    };
    let read = bytes.and_then(|(content, numbers)| {
        let content = content.try_into().ok()?;
        Some((Some(Published { version, content }), Versions::from_bytes(numbers)?))
    });
    read.ok_or_else(|| Error::internal("stored versions cannot be read"))
}

pub(super) fn parse(item: impl Into<serde_dynamo::Item>) -> Result<Head> {
    let item: serde_dynamo::Item = item.into();
    if item.contains_key("deleted_at") {
        let tombstone: TombstoneItem = from_item(item)?;
        let expires_at = Timestamp::from_second(tombstone.ttl)
            .map_err(|_| Error::internal("a stored time cannot be read"))?;
        return Ok(Head::Deleted(Tombstone {
            rev: tombstone.rev,
            at: instant(&tombstone.deleted_at)?,
            by: tombstone.updated_by,
            expires_at,
        }));
    }
    let bytes = item.get(VERSIONS).cloned();
    let led = match item.get(LED) {
        Some(serde_dynamo::AttributeValue::B(bytes)) => Versions::from_bytes(bytes),
        Some(_) | None => Some(Versions::default()),
    };
    let head: HeadItem = from_item(item)?;
    let (published, versions) = versions(bytes.as_ref(), head.published_version)?;
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
        published,
        versions,
        led: led.ok_or_else(|| Error::internal("stored versions cannot be read"))?,
        aliases: match head.aliases {
            Some(aliases) => serde_json::from_str(&aliases).map_err(json)?,
            None => BTreeMap::new(),
        },
        template: head.template.map(|text| serde_json::from_str(&text)).transpose().map_err(json)?,
        retiring: head.retiring.map(|text| serde_json::from_str(&text)).transpose().map_err(json)?,
        created,
        updated,
    })))
}

fn instant(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|_| Error::internal("a stored time cannot be read"))
}
