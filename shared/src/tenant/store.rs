//! The tenant's record in the table. `used` moves only in transactions that also write the agent
//! that it counts; entitlements move only through [`put_entitlements`].

use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use serde::Deserialize;

use super::{Assumed, Counted, Tenant};
use crate::agent::Stamp;
use crate::clock::rfc3339;
use crate::dynamo::transact::{Patience, is_conflict};
use crate::dynamo::{Item, Store, built, from_item, keys, number, text};
use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::page::Page;
use crate::tier::{Entitlements, Overrides};

const ENTITY: &str = "tenant";

#[derive(Debug, Deserialize)]
struct TenantItem {
    #[serde(default)]
    rev: u64,
    #[serde(default)]
    used: u64,
    #[serde(default)]
    templates: u64,
    tier: Option<String>,
    /// JSON.
    overrides: Option<String>,
    entitlements_rev: Option<u64>,
    updated_at: Option<String>,
    updated_by: Option<UserId>,
}

/// The attribute that has the count.
fn attribute(counted: Counted) -> &'static str {
    match counted {
        Counted::Agents => "used",
        Counted::Templates => "templates",
    }
}

/// The tenant's record, read consistently; `None` before its first write.
///
/// # Errors
/// As the database's.
pub async fn get(store: &Store, tenant: &TenantId) -> Result<Option<Tenant>> {
    store.get(&keys::tenant(tenant)).await?.map(parse).transpose()
}

/// A page of the tenants in a shard of the index, in order. `after` is the tenant that the page before
/// ended with; the page's cursor is the one to go on with.
///
/// # Errors
/// As the database's.
pub async fn list_shard(store: &Store, shard: u8, after: Option<&str>) -> Result<Page<TenantId>> {
    let start = after.and_then(|tenant| tenant.parse().ok()).map(|tenant: TenantId| {
        let mut key = keys::tenant(&tenant).to_item();
        key.insert(keys::GSI2_PK.to_owned(), text(keys::tenant_shard(shard)));
        key.insert(keys::GSI2_SK.to_owned(), text(tenant.as_str()));
        key
    });
    let output = store
        .client
        .query()
        .table_name(&store.table)
        .index_name(keys::GSI2)
        .key_condition_expression("GSI2PK = :shard")
        .expression_attribute_values(":shard", text(keys::tenant_shard(shard)))
        .set_exclusive_start_key(start)
        .send()
        .await?;
    let name = |item: &Item| item.get(keys::GSI2_SK).and_then(|name| name.as_s().ok()).cloned();
    let next_cursor = output.last_evaluated_key.as_ref().and_then(name);
    let items = output.items.unwrap_or_default();
    let items = items.iter().filter_map(|item| name(item)?.parse().ok()).collect();
    Ok(Page { items, next_cursor })
}

/// Sets tier and overrides, whatever they were.
///
/// # Errors
/// As the database's.
pub async fn put_entitlements(
    store: &Store,
    tenant: &TenantId,
    tier: &str,
    overrides: &Overrides,
    by: &Stamp,
) -> Result<Entitlements> {
    let index = keys::tenant_in_index(tenant);
    let overrides_json =
        serde_json::to_string(overrides).map_err(|_| Error::internal("overrides have no form as JSON"))?;
    let update = store
        .client
        .update_item()
        .table_name(&store.table)
        .set_key(Some(keys::tenant(tenant).to_item()))
        .update_expression(
            "SET tier = :tier, overrides = :overrides, #entity = :entity, GSI2PK = :shard, GSI2SK = :tenant, \
             updated_at = :at, updated_by = :by ADD entitlements_rev :one, rev :one",
        )
        .expression_attribute_names("#entity", "entity")
        .expression_attribute_values(":tier", text(tier))
        .expression_attribute_values(":overrides", text(overrides_json))
        .expression_attribute_values(":at", text(rfc3339(by.at)))
        .expression_attribute_values(":by", text(by.by.as_str()))
        .expression_attribute_values(":entity", text(ENTITY))
        .expression_attribute_values(":shard", text(index.pk))
        .expression_attribute_values(":tenant", text(index.sk))
        .expression_attribute_values(":one", number(1))
        .return_values(ReturnValue::AllNew);
    let mut patience = Patience::begin();
    let output = loop {
        match update.clone().send().await {
            Ok(output) => break output,
            Err(error) if is_conflict(&error) => patience.wait().await?,
            Err(error) => return Err(error.into()),
        }
    };
    let written = parse(output.attributes.unwrap_or_default())?;
    written.entitlements.ok_or_else(|| Error::internal("the entitlements just written are missing"))
}

/// The action that counts one more, on condition that the tenant has room for it and its entitlements are
/// still those that were assumed.
///
/// # Errors
/// [`Error::Internal`] if the SDK refuses the action.
pub fn count(
    store: &Store,
    tenant: &TenantId,
    counted: Counted,
    assumed: Assumed<'_>,
    by: &Stamp,
) -> Result<TransactWriteItem> {
    let index = keys::tenant_in_index(tenant);
    let same_entitlements = match assumed.entitlements.rev {
        0 => "attribute_not_exists(entitlements_rev)",
        _ => "entitlements_rev = :assumed",
    };
    let room = match assumed.max {
        Some(0) => " AND #used < :max",
        Some(_) => " AND (attribute_not_exists(#used) OR #used < :max)",
        None => "",
    };
    let mut update = Update::builder()
        .table_name(&store.table)
        .set_key(Some(keys::tenant(tenant).to_item()))
        .update_expression(
            "SET #entity = :entity, GSI2PK = :shard, GSI2SK = :tenant, updated_at = :at, updated_by = :by \
             ADD #used :one, rev :one",
        )
        .condition_expression(format!("{same_entitlements}{room}"))
        .expression_attribute_names("#entity", "entity")
        .expression_attribute_names("#used", attribute(counted))
        .expression_attribute_values(":entity", text(ENTITY))
        .expression_attribute_values(":shard", text(index.pk))
        .expression_attribute_values(":tenant", text(index.sk))
        .expression_attribute_values(":at", text(rfc3339(by.at)))
        .expression_attribute_values(":by", text(by.by.as_str()))
        .expression_attribute_values(":one", number(1))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    if assumed.entitlements.rev > 0 {
        update = update.expression_attribute_values(":assumed", number(assumed.entitlements.rev));
    }
    if let Some(max) = assumed.max {
        update = update.expression_attribute_values(":max", number(max));
    }
    Ok(TransactWriteItem::builder().update(built(update.build())?).build())
}

/// The action that counts one less.
///
/// # Errors
/// [`Error::Internal`] if the SDK refuses the action.
pub fn release(store: &Store, tenant: &TenantId, counted: Counted, by: &Stamp) -> Result<TransactWriteItem> {
    let update = Update::builder()
        .table_name(&store.table)
        .set_key(Some(keys::tenant(tenant).to_item()))
        .update_expression("SET updated_at = :at, updated_by = :by ADD #used :minus_one, rev :one")
        .condition_expression("#used > :zero")
        .expression_attribute_names("#used", attribute(counted))
        .expression_attribute_values(":at", text(rfc3339(by.at)))
        .expression_attribute_values(":by", text(by.by.as_str()))
        .expression_attribute_values(":one", number(1))
        .expression_attribute_values(":minus_one", AttributeValue::N("-1".to_owned()))
        .expression_attribute_values(":zero", number(0));
    Ok(TransactWriteItem::builder().update(built(update.build())?).build())
}

/// Whether a stream's image is a tenant's record.
pub fn is_image(image: &serde_dynamo::Item) -> bool {
    matches!(image.get("entity"), Some(serde_dynamo::AttributeValue::S(entity)) if entity == ENTITY)
}

/// What a stream's image says, if it is a tenant's record.
///
/// # Errors
/// [`Error::Internal`] for one that can't be read.
pub fn read_image(image: serde_dynamo::Item) -> Result<Option<(TenantId, Tenant)>> {
    use serde_dynamo::AttributeValue::S;

    if !is_image(&image) {
        return Ok(None);
    }
    let tenant = match image.get(keys::PK) {
        Some(S(key)) => keys::split_tenant(key),
        Some(_) | None => None,
    };
    let tenant = tenant.ok_or_else(|| Error::internal("an image has no tenant's key"))?;
    Ok(Some((tenant, parse(image)?)))
}

/// Reads a record, as a query or a refused condition brings it.
pub(crate) fn parse(item: impl Into<serde_dynamo::Item>) -> Result<Tenant> {
    let item: TenantItem = from_item(item)?;
    let entitlements = match (item.tier, item.overrides, item.entitlements_rev) {
        (Some(tier), Some(overrides), Some(rev)) => {
            let overrides = serde_json::from_str(&overrides)
                .map_err(|_| Error::internal("stored overrides cannot be read"))?;
            Some(Entitlements { tier, overrides, rev })
        }
        (_, _, _) => None,
    };
    let at = item.updated_at.and_then(|at| at.parse().ok());
    Ok(Tenant {
        rev: item.rev,
        agents_used: item.used,
        templates_used: item.templates,
        entitlements,
        updated: at.zip(item.updated_by),
    })
}
