//! A tenant's endpoints in the table: one partition, so that whoever announces an event finds them with
//! one query.

use serde::{Deserialize, Serialize};

use super::Endpoint;
use crate::dynamo::{Item, Store, from_item, keys, text, to_item};
use crate::error::{Error, Result};
use crate::event::Filter;
use crate::id::TenantId;

const ENTITY: &str = "endpoint";

#[derive(Debug, Serialize, Deserialize)]
struct EndpointItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    /// JSON.
    filter: String,
}

/// Writes an endpoint, if there is none with its id.
///
/// # Errors
/// As the database's.
pub async fn insert(store: &Store, tenant: &TenantId, endpoint: &Endpoint) -> Result<()> {
    let key = keys::endpoint(tenant, endpoint.id.as_str());
    let filter = serde_json::to_string(&endpoint.filter)
        .map_err(|_| Error::internal("a filter has no form as JSON"))?;
    let item = to_item(&EndpointItem { pk: key.pk, sk: key.sk, entity: ENTITY.to_owned(), filter })?;
    let put = store.client.put_item().table_name(&store.table).set_item(Some(item));
    put.condition_expression("attribute_not_exists(PK)").send().await?;
    Ok(())
}

/// All endpoints of the tenant, a moment behind.
///
/// # Errors
/// As the database's.
pub async fn list(store: &Store, tenant: &TenantId) -> Result<Vec<Endpoint>> {
    let output = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("PK = :endpoints")
        .expression_attribute_values(":endpoints", text(keys::endpoint(tenant, "").pk))
        .send()
        .await?;
    output.items.unwrap_or_default().into_iter().map(parse).collect()
}

fn parse(item: Item) -> Result<Endpoint> {
    let unreadable = || Error::internal("a stored endpoint cannot be read");
    let item: EndpointItem = from_item(item)?;
    let filter: Filter = serde_json::from_str(&item.filter).map_err(|_| unreadable())?;
    Ok(Endpoint { id: item.sk.parse().map_err(|_| unreadable())?, filter })
}
