//! Live copies in the table. Each write says which `rev` of the head it was made from and gives way to a
//! later one, so it may be done again, late, and by anyone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Hold, Live};
use crate::dynamo::{Item, Store, from_item, is_refused_put, keys, number, to_item};
use crate::error::{Error, Result};
use crate::id::{AgentId, TenantId};

const ENTITY: &str = "live";
/// How long the tombstone of a live copy is kept, in seconds: past every process that could still write an
/// older copy.
const TOMBSTONE_AGE_S: i64 = 48 * 3_600;

#[derive(Debug, Serialize, Deserialize)]
struct LiveItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    rev: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    /// JSON.
    routes: String,
    version: u64,
    /// JSON.
    config: String,
}

#[derive(Debug, Serialize)]
struct TombstoneItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: &'static str,
    rev: u64,
    deleted: bool,
    /// Seconds since the epoch.
    ttl: i64,
}

/// Writes the copy, unless there is one of the same `rev` or a later one.
///
/// # Errors
/// As the database's.
pub async fn put(store: &Store, tenant: &TenantId, id: &AgentId, live: &Live) -> Result<()> {
    let json = |_: serde_json::Error| Error::internal("a live copy has no form as JSON");
    let key = keys::agent_live(tenant, id);
    let item = to_item(&LiveItem {
        pk: key.pk,
        sk: key.sk,
        entity: ENTITY.to_owned(),
        rev: live.rev,
        hold: live.hold,
        routes: serde_json::to_string(&live.routes).map_err(json)?,
        version: live.version,
        config: serde_json::to_string(&live.config).map_err(json)?,
    })?;
    put_newer(store, item, live.rev).await
}

/// Puts a tombstone in the place of a deleted agent's copy, so that no late writer brings it back.
///
/// # Errors
/// As the database's.
pub async fn bury(store: &Store, tenant: &TenantId, id: &AgentId, rev: u64, now: Timestamp) -> Result<()> {
    let key = keys::agent_live(tenant, id);
    let ttl = now.as_second() + TOMBSTONE_AGE_S;
    let item = to_item(&TombstoneItem { pk: key.pk, sk: key.sk, entity: ENTITY, rev, deleted: true, ttl })?;
    put_newer(store, item, rev).await
}

async fn put_newer(store: &Store, item: Item, rev: u64) -> Result<()> {
    let put = store
        .client
        .put_item()
        .table_name(&store.table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(PK) OR rev < :rev")
        .expression_attribute_values(":rev", number(rev))
        .send()
        .await;
    match put {
        Ok(_) => Ok(()),
        Err(error) if is_refused_put(&error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The copy as it is somewhere in the database: a moment old. None where there is none, or what is left of
/// one.
///
/// # Errors
/// As the database's.
pub async fn get(store: &Store, tenant: &TenantId, id: &AgentId) -> Result<Option<Live>> {
    let item = store.get_eventually(&keys::agent_live(tenant, id)).await?;
    item.filter(|item| !item.contains_key("deleted")).map(parse).transpose()
}

/// The `rev` that the copy, or what is left of one, was made from; a moment old.
///
/// # Errors
/// As the database's.
pub async fn rev(store: &Store, tenant: &TenantId, id: &AgentId) -> Result<Option<u64>> {
    let item = store.get_eventually(&keys::agent_live(tenant, id)).await?;
    let rev = |item: &Item| item.get("rev")?.as_n().ok()?.parse().ok();
    Ok(item.as_ref().and_then(rev))
}

fn parse(item: Item) -> Result<Live> {
    let json = |_: serde_json::Error| Error::internal("a stored live copy cannot be read");
    let item: LiveItem = from_item(item)?;
    Ok(Live {
        rev: item.rev,
        hold: item.hold,
        routes: serde_json::from_str(&item.routes).map_err(json)?,
        version: item.version,
        config: serde_json::from_str(&item.config).map_err(json)?,
    })
}
