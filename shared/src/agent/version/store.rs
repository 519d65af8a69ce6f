//! Versions in the table, each an item beside its agent's head that is written once. The head says which of
//! them are committed; what it does not name was never published, or is on its way out.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use serde::{Deserialize, Serialize};

use super::{Release, Version, VersionSummary};
use crate::agent::config::ModelRef;
use crate::agent::{Agent, Content, Creation, Stamp};
use crate::clock::rfc3339;
use crate::dynamo::{Item, Store, bounded_query, built, from_item, keys, refused_put, text, to_item};
use crate::error::{Error, Result};
use crate::id::{AgentId, TenantId, UserId};
use crate::page::Page;

const ENTITY: &str = "version";
/// The attribute that remembers the publishing request.
const CREATION: &str = "creation";
/// What a row of the list shows.
const SUMMARY: &str = "SK, title, notes, published_at, published_by, model, config_hash";

#[derive(Debug, Serialize, Deserialize)]
struct VersionItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// JSON.
    metadata: String,
    /// JSON.
    config: String,
    config_hash: String,
    /// `provider/id`.
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    published_at: String,
    published_by: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    asked: bool,
}

/// What became of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is there, now or from an earlier try.
    Done,
    /// Another request has taken one of the same draft.
    ByAnother,
}

/// Puts the snapshot if there is none of its number. Idempotent by number and request.
///
/// # Errors
/// As the database's.
pub async fn insert(store: &Store, tenant: &TenantId, version: &Version) -> Result<Taken> {
    let item = item(tenant, version)?;
    let put = store
        .client
        .put_item()
        .table_name(&store.table)
        .set_item(Some(item.clone()))
        .condition_expression("attribute_not_exists(PK)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match put {
        Ok(_) => Ok(Taken::Done),
        Err(error) => match refused_put(&error) {
            Some(there) if there == item => Ok(Taken::Done),
            Some(_) => Ok(Taken::ByAnother),
            None => Err(error.into()),
        },
    }
}

/// The action that puts the snapshot whatever is there. Only together with a write that shows that nothing
/// there is committed.
///
/// # Errors
/// [`Error::Internal`] if the SDK refuses the action.
pub fn replace(store: &Store, tenant: &TenantId, version: &Version) -> Result<TransactWriteItem> {
    let put = Put::builder().table_name(&store.table).set_item(Some(item(tenant, version)?));
    Ok(TransactWriteItem::builder().put(built(put.build())?).build())
}

/// A version that the head names. Versions do not change, so any copy will do; one that is not everywhere
/// yet is read where it is.
///
/// # Errors
/// [`Error::Internal`] where there is none.
pub async fn get(store: &Store, tenant: &TenantId, agent: &AgentId, number: u64) -> Result<Version> {
    let found = find(store, tenant, agent, number).await?;
    found.ok_or_else(|| Error::internal("a version that the head names is missing"))
}

/// The same, for a number that may no longer be named.
///
/// # Errors
/// As the database's.
pub async fn find(store: &Store, tenant: &TenantId, agent: &AgentId, number: u64) -> Result<Option<Version>> {
    let key = keys::agent_version(tenant, agent, number);
    let item = match store.get_eventually(&key).await? {
        Some(item) => Some(item),
        None => store.get(&key).await?,
    };
    item.map(|item| parse(agent, item)).transpose()
}

/// All versions that the head names, the newest first, as long as they have up to `max_bytes` in all.
///
/// # Errors
/// As the database's.
pub async fn all(store: &Store, tenant: &TenantId, agent: &Agent, max_bytes: usize) -> Result<Vec<Version>> {
    let (Some(newest), Some(oldest)) = (agent.versions.last(), agent.versions.newest_first().last()) else {
        return Ok(Vec::new());
    };
    let query = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("PK = :agent AND SK BETWEEN :oldest AND :newest")
        .expression_attribute_values(":agent", text(keys::agent_head(tenant, &agent.id).pk))
        .expression_attribute_values(":oldest", text(keys::version_sort_key(oldest)))
        .expression_attribute_values(":newest", text(keys::version_sort_key(newest)))
        .consistent_read(true)
        .scan_index_forward(false);
    let items = bounded_query(query, max_bytes).await?;
    let versions = items.into_iter().map(|item| parse(&agent.id, item));
    let named =
        versions.filter(|version| version.as_ref().map_or(true, |one| agent.versions.contains(one.number)));
    named.collect()
}

/// What versions hold that the head named when it was read. One that a publication has dropped since is left
/// out.
///
/// # Errors
/// As the database's.
pub async fn contents(
    store: &Store,
    tenant: &TenantId,
    agent: &AgentId,
    numbers: impl IntoIterator<Item = u64>,
) -> Result<BTreeMap<u64, Content>> {
    let numbers: Vec<u64> = numbers.into_iter().collect();
    if let [number] = numbers[..] {
        let found = find(store, tenant, agent, number).await?;
        return Ok(found.into_iter().map(|version| (number, version.content)).collect());
    }
    let mut request = KeysAndAttributes::builder().consistent_read(true);
    for number in &numbers {
        request = request.keys(keys::agent_version(tenant, agent, *number).to_item());
    }
    if numbers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let items = store.get_all(built(request.build())?).await?;
    items.into_iter().map(|item| parse(agent, item).map(|one| (one.number, one.content))).collect()
}

/// A page of the agent's versions, newest first. `before` is the number that the page before ended with. A
/// page may be short of `limit` where versions are large: a read of the table ends at 1 MB.
///
/// # Errors
/// As the database's.
pub async fn list(
    store: &Store,
    tenant: &TenantId,
    agent: &Agent,
    before: Option<u64>,
    limit: usize,
) -> Result<Page<VersionSummary>> {
    let numbers = || agent.versions.newest_first().filter(|number| before.is_none_or(|end| *number < end));
    let wanted: Vec<u64> = numbers().take(limit).collect();
    let (Some(newest), Some(oldest)) = (wanted.first(), wanted.last()) else {
        return Ok(Page { items: Vec::new(), next_cursor: None });
    };
    let output = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("PK = :agent AND SK BETWEEN :oldest AND :newest")
        .expression_attribute_values(":agent", text(keys::agent_head(tenant, &agent.id).pk))
        .expression_attribute_values(":oldest", text(keys::version_sort_key(*oldest)))
        .expression_attribute_values(":newest", text(keys::version_sort_key(*newest)))
        .projection_expression(SUMMARY)
        .scan_index_forward(false)
        .consistent_read(true)
        .send()
        .await?;
    let mut items = Vec::new();
    for item in output.items.unwrap_or_default() {
        let row: SummaryItem = from_item(item)?;
        let number = keys::split_version(&row.sk);
        if let Some(number) = number.filter(|number| agent.versions.contains(*number)) {
            items.push(summary(agent, number, row));
        }
    }
    let end = items.last().map_or(*oldest, |row| row.version);
    let reached = if output.last_evaluated_key.is_some() { end } else { *oldest };
    let is_last = agent.versions.before(reached).is_none();
    Ok(Page { items, next_cursor: (!is_last).then(|| reached.to_string()) })
}

#[derive(Debug, Deserialize)]
struct SummaryItem {
    #[serde(rename = "SK")]
    sk: String,
    title: Option<String>,
    notes: Option<String>,
    published_at: String,
    published_by: String,
    model: String,
    config_hash: String,
}

fn summary(agent: &Agent, number: u64, row: SummaryItem) -> VersionSummary {
    let leads = |routes: &[crate::agent::alias::Route]| routes.iter().any(|route| route.version == number);
    VersionSummary {
        version: number,
        title: row.title,
        notes: row.notes,
        published_at: row.published_at,
        published_by: row.published_by,
        model: ModelRef::stored(&row.model),
        config_hash: row.config_hash,
        aliases: agent
            .aliases
            .iter()
            .filter(|(_, alias)| leads(&alias.routes))
            .map(|(name, _)| name.to_string())
            .collect(),
    }
}

/// The version among the last `limit` that a request published, if one is.
///
/// # Errors
/// As the database's.
pub async fn published_by(
    store: &Store,
    tenant: &TenantId,
    agent: &Agent,
    creation: Creation,
    limit: usize,
) -> Result<Option<(u64, Creation)>> {
    let Some(oldest) = agent.versions.newest_first().take(limit).last() else {
        return Ok(None);
    };
    let items = between(store, tenant, &agent.id, oldest, agent.rev, "SK, creation").await?;
    let found = items.into_iter().rev().find_map(|item| {
        let number = keys::split_version(item.get(keys::SK)?.as_s().ok()?)?;
        let earlier = Creation::from_bytes(item.get(CREATION)?.as_b().ok()?.as_ref())?;
        let is_it = agent.versions.contains(number) && earlier.operation() == creation.operation();
        is_it.then_some((number, earlier))
    });
    Ok(found)
}

/// The numbers of snapshots after one number and before another, committed or not.
///
/// # Errors
/// As the database's.
pub async fn numbers_between(
    store: &Store,
    tenant: &TenantId,
    agent: &AgentId,
    after: u64,
    before: u64,
) -> Result<Vec<u64>> {
    if before.saturating_sub(after) < 2 {
        return Ok(Vec::new());
    }
    let items = between(store, tenant, agent, after + 1, before - 1, "SK").await?;
    let number = |item: &Item| keys::split_version(item.get(keys::SK)?.as_s().ok()?);
    Ok(items.iter().filter_map(number).collect())
}

/// Some attributes of all snapshots from one number to another, the oldest first. A read ends at 1 MB of
/// items, whatever is asked of them, so there may be several.
async fn between(
    store: &Store,
    tenant: &TenantId,
    agent: &AgentId,
    first: u64,
    last: u64,
    attributes: &str,
) -> Result<Vec<Item>> {
    let query = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("PK = :agent AND SK BETWEEN :first AND :last")
        .expression_attribute_values(":agent", text(keys::agent_head(tenant, agent).pk))
        .expression_attribute_values(":first", text(keys::version_sort_key(first)))
        .expression_attribute_values(":last", text(keys::version_sort_key(last)))
        .projection_expression(attributes)
        .consistent_read(true);
    let mut items = Vec::new();
    let mut start = None;
    loop {
        let output = query.clone().set_exclusive_start_key(start).send().await?;
        items.extend(output.items.unwrap_or_default());
        start = output.last_evaluated_key;
        if start.is_none() {
            return Ok(items);
        }
    }
}

/// Removes snapshots. Idempotent: their numbers are never taken again.
///
/// # Errors
/// [`Error::Unavailable`] when the database does not take all of it.
pub async fn delete(store: &Store, tenant: &TenantId, agent: &AgentId, numbers: &[u64]) -> Result<()> {
    let keys = numbers.iter().map(|number| keys::agent_version(tenant, agent, *number));
    store.delete_all(keys.collect()).await
}

fn item(tenant: &TenantId, version: &Version) -> Result<Item> {
    let json = |_: serde_json::Error| Error::internal("a version has no form as JSON");
    let key = keys::agent_version(tenant, &version.agent, version.number);
    let content = &version.content;
    let model = &content.config.model;
    let mut item = to_item(&VersionItem {
        pk: key.pk,
        sk: key.sk,
        entity: ENTITY.to_owned(),
        name: content.name.clone(),
        description: content.description.clone(),
        tags: content.tags.clone(),
        metadata: serde_json::to_string(&content.metadata).map_err(json)?,
        config: serde_json::to_string(&content.config).map_err(json)?,
        config_hash: content.config.hash(),
        model: format!("{}/{}", model.provider, model.id),
        title: version.release.title.clone(),
        notes: version.release.notes.clone(),
        published_at: rfc3339(version.published.at),
        published_by: version.published.by.clone(),
        previous: version.previous,
        asked: version.is_asked,
    })?;
    item.insert(CREATION.to_owned(), AttributeValue::B(Blob::new(version.creation.to_bytes())));
    Ok(item)
}

fn parse(agent: &AgentId, item: Item) -> Result<Version> {
    let unreadable = || Error::internal("a stored version cannot be read");
    let creation = item.get(CREATION).and_then(|bytes| bytes.as_b().ok());
    let creation = creation.and_then(|bytes| Creation::from_bytes(bytes.as_ref())).ok_or_else(unreadable)?;
    let row: VersionItem = from_item(item)?;
    Ok(Version {
        agent: agent.clone(),
        number: keys::split_version(&row.sk).ok_or_else(unreadable)?,
        content: Content {
            name: row.name,
            description: row.description,
            tags: row.tags,
            metadata: serde_json::from_str(&row.metadata).map_err(|_| unreadable())?,
            config: serde_json::from_str(&row.config).map_err(|_| unreadable())?,
        },
        release: Release { title: row.title, notes: row.notes },
        published: Stamp { at: row.published_at.parse().map_err(|_| unreadable())?, by: row.published_by },
        previous: row.previous,
        creation,
        is_asked: row.asked,
    })
}
