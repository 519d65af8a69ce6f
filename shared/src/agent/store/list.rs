//! Lists of a tenant's agents, from the index by time of creation.

use serde::Deserialize;

use super::head::Brief;
use crate::agent::Summary;
use crate::agent::config::ModelRef;
use crate::dynamo::{Item, Store, from_item, keys, text};
use crate::entitlement::reconcile::{Candidate, Standing};
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::page::Page;
use crate::tier::Needs;

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

/// Every agent of the tenant, as far as a tier is concerned with it, read from the index: a moment behind. A
/// megabyte of rows is one call.
///
/// # Errors
/// As the database's.
pub async fn candidates(store: &Store, tenant: &TenantId) -> Result<Vec<Candidate>> {
    let query = store
        .client
        .query()
        .table_name(&store.table)
        .index_name(keys::GSI1)
        .key_condition_expression("GSI1PK = :list")
        .expression_attribute_values(":list", text(keys::agents_by_creation(tenant)));
    let mut found = Vec::new();
    let mut start = None;
    loop {
        let output = query.clone().set_exclusive_start_key(start).send().await?;
        for item in output.items.unwrap_or_default() {
            found.push(candidate(item)?);
        }
        start = output.last_evaluated_key;
        if start.is_none() {
            return Ok(found);
        }
    }
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
    /// JSON: [`Brief`].
    #[serde(default)]
    brief: String,
}

fn candidate(item: Item) -> Result<Candidate> {
    let unreadable = || Error::internal("a row of the list cannot be read");
    let row: SummaryItem = from_item(item)?;
    let (_, id) = keys::split_agent_by_creation(&row.by_creation).ok_or_else(unreadable)?;
    // A head that an earlier release wrote says nothing but its model.
    let brief = if row.brief.is_empty() { "{}" } else { &row.brief };
    let Brief { needs, is_over_limit } = serde_json::from_str(brief).map_err(|_| unreadable())?;
    let standing = match row.status.as_str() {
        "archived" => Standing::Archived,
        "suspended" if is_over_limit => Standing::OverLimit,
        "suspended" => Standing::Suspended,
        _ => Standing::Active,
    };
    Ok(Candidate {
        id,
        name: row.name,
        standing,
        updated_at: row.updated_at,
        published_version: row.published_version,
        needs: Needs { model: row.model, ..needs },
    })
}

fn summary(item: Item) -> Result<Summary> {
    let row: SummaryItem = from_item(item)?;
    let Some((created_at, id)) = keys::split_agent_by_creation(&row.by_creation) else {
        return Err(Error::internal("a row of the list has a key of another shape"));
    };
    Ok(Summary {
        id: id.to_string(),
        key: row.key,
        name: row.name,
        status: row.status,
        tags: row.tags,
        model: ModelRef::stored(&row.model),
        rev: row.rev,
        published_version: row.published_version,
        created_at: created_at.to_owned(),
        updated_at: row.updated_at,
    })
}
