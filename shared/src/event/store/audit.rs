//! Audit rows: one for each `rev` of an agent, beside its head. They are written when everything
//! else about the event is done, so a head without its row is one that was not announced.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;
use crate::dynamo::{BATCH_GET_MAX, Item, Store, built, from_item, keys, text, to_item};
use crate::error::{Error, Result};
use crate::event::{AuditEntry, AuditValue, Change, EventId, EventType, audit_values};
use crate::id::{AgentId, TenantId};
use crate::page::Page;

/// How long a row is kept, in seconds: a year.
const ROW_AGE_S: i64 = 365 * 24 * 3_600;
const ENTITY: &str = "audit";

#[derive(Debug, Serialize, Deserialize)]
struct AuditItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    rev: u64,
    kind: EventType,
    by: String,
    at: String,
    /// JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changes: Option<String>,
    /// Seconds since the epoch.
    ttl: i64,
}

/// Writes the rows of `changes`. Idempotent: a change always makes the same row.
///
/// # Errors
/// [`Error::Unavailable`] when the database does not take all of them.
pub async fn put(store: &Store, tenant: &TenantId, changes: &[Change]) -> Result<()> {
    let rows = changes.iter().filter_map(|change| row(tenant, change).transpose());
    let mut rows: Vec<Item> = rows.collect::<Result<_>>()?;
    if rows.len() <= 1 {
        if let Some(row) = rows.pop() {
            store.client.put_item().table_name(&store.table).set_item(Some(row)).send().await?;
        }
        return Ok(());
    }
    let mut requests = Vec::new();
    for row in rows {
        let put = built(PutRequest::builder().set_item(Some(row)).build())?;
        requests.push(WriteRequest::builder().put_request(put).build());
    }
    store.write_all(requests).await
}

/// The row of an agent's change. An approval is its own record, and has none.
fn row(tenant: &TenantId, change: &Change) -> Result<Option<Item>> {
    let event = &change.event;
    let Ok(id) = event.entity.parse::<AgentId>() else {
        return Ok(None);
    };
    let key = keys::agent_audit(tenant, &id, event.rev);
    let values = audit_values(&change.differences);
    let changes = serde_json::to_string(&values).map_err(|_| Error::internal("an audit row is no JSON"))?;
    to_item(&AuditItem {
        pk: key.pk,
        sk: key.sk,
        entity: ENTITY.to_owned(),
        rev: event.rev,
        kind: event.kind,
        by: event.actor.to_string(),
        at: rfc3339(event.at),
        changes: (!values.is_empty()).then_some(changes),
        ttl: event.at.as_second() + ROW_AGE_S,
    })
    .map(Some)
}

/// A page of an agent's rows, the newest first. `before` is the `rev` of the row that the page before
/// ended with, and the page's cursor the one to go on with.
///
/// # Errors
/// As the database's.
pub async fn list(
    store: &Store,
    tenant: &TenantId,
    id: &AgentId,
    before: Option<u64>,
    limit: u32,
    now: Timestamp,
) -> Result<Page<AuditEntry>> {
    let partition = keys::agent_head(tenant, id).pk;
    let start = before.map(|rev| keys::agent_audit(tenant, id, rev).to_item());
    let output = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("PK = :agent AND begins_with(SK, :rows)")
        .expression_attribute_values(":agent", text(partition))
        .expression_attribute_values(":rows", text(keys::AUDIT_PREFIX))
        .scan_index_forward(false)
        .limit(i32::try_from(limit).unwrap_or(i32::MAX))
        .set_exclusive_start_key(start)
        .send()
        .await?;
    let next = output.last_evaluated_key.as_ref().and_then(|key| key.get(keys::SK));
    let next_cursor = next.and_then(|sort_key| keys::split_audit(sort_key.as_s().ok()?));
    let next_cursor = next_cursor.map(|rev| rev.to_string());
    let mut items = Vec::new();
    for item in output.items.unwrap_or_default() {
        let row: AuditItem = from_item(item)?;
        if row.ttl > now.as_second() {
            items.push(entry(id, row)?);
        }
    }
    Ok(Page { items, next_cursor })
}

fn entry(id: &AgentId, row: AuditItem) -> Result<AuditEntry> {
    let changes: Vec<AuditValue> = match row.changes {
        None => Vec::new(),
        Some(json) => {
            serde_json::from_str(&json).map_err(|_| Error::internal("a stored audit row cannot be read"))?
        }
    };
    Ok(AuditEntry {
        rev: row.rev,
        event_id: EventId::new(id.as_str(), row.rev).to_string(),
        kind: row.kind,
        actor: row.by,
        at: row.at,
        changes,
    })
}

/// Which of these agents have no row for the `rev` that they are at: up to [`BATCH_GET_MAX`] of them
/// are asked for.
///
/// # Errors
/// As the database's.
pub async fn missing(
    store: &Store,
    tenant: &TenantId,
    heads: &[(AgentId, u64)],
) -> Result<Vec<(AgentId, u64)>> {
    let mut wanted: HashMap<(String, String), &(AgentId, u64)> = HashMap::new();
    let mut request = KeysAndAttributes::builder().projection_expression("PK, SK");
    for head in heads.iter().take(BATCH_GET_MAX) {
        let key = keys::agent_audit(tenant, &head.0, head.1);
        request = request.keys(key.to_item());
        wanted.insert((key.pk, key.sk), head);
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let request = built(request.build())?;
    let output = store.client.batch_get_item().request_items(&store.table, request).send().await?;
    if output.unprocessed_keys.is_some_and(|left| !left.is_empty()) {
        return Err(Error::Unavailable("the database did not give all audit rows".into()));
    }
    for item in output.responses.unwrap_or_default().into_values().flatten() {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        if let (Some(pk), Some(sk)) = (text(keys::PK), text(keys::SK)) {
            wanted.remove(&(pk, sk));
        }
    }
    let mut missing: Vec<_> = wanted.into_values().cloned().collect();
    missing.sort();
    Ok(missing)
}
