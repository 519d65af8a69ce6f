//! Sockets and tickets in the table. A tenant's sockets are one partition, so that a push reads them
//! with one query; it reads consistently, which is what lets a subscription be sure that whoever
//! appends an event after it was written sees it. Rows are small for that reason.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Connection, ROW_AGE_S, TICKET_AGE_S, Ticket};
use crate::dynamo::{Item, Store, change, from_item, keys, number, text, to_item};
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::id::{ConnectionId, TenantId, UserId};

const ENTITY: &str = "con";
const TICKET_ENTITY: &str = "ticket";
/// How often a change of a row is made again because another came between.
const ATTEMPTS_MAX: usize = 10;

#[derive(Debug, Serialize, Deserialize)]
struct ConnectionItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    /// Seconds since the epoch at which the token expires.
    exp: i64,
    /// JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subs: Option<String>,
    /// Seconds since the epoch; it also tells when the connection was opened.
    ttl: i64,
}

/// Writes a new connection.
///
/// # Errors
/// As the database's.
pub async fn insert(store: &Store, tenant: &TenantId, connection: &Connection) -> Result<()> {
    let item = item(tenant, connection)?;
    store.client.put_item().table_name(&store.table).set_item(Some(item)).send().await?;
    Ok(())
}

/// Removes a connection, if it is there.
///
/// # Errors
/// As the database's.
pub async fn delete(store: &Store, tenant: &TenantId, id: &ConnectionId) -> Result<()> {
    let key = keys::connection(tenant, id.as_str()).to_item();
    store.client.delete_item().table_name(&store.table).set_key(Some(key)).send().await?;
    Ok(())
}

/// A connection, read consistently.
///
/// # Errors
/// As the database's.
pub async fn get(store: &Store, tenant: &TenantId, id: &ConnectionId) -> Result<Option<Connection>> {
    store.get(&keys::connection(tenant, id.as_str())).await?.map(parse).transpose()
}

/// All connections of the tenant, read consistently. A row that can't be read is passed over.
///
/// # Errors
/// As the database's.
pub async fn list(store: &Store, tenant: &TenantId) -> Result<Vec<Connection>> {
    let mut found = Vec::new();
    let mut start = None;
    loop {
        let output = store
            .client
            .query()
            .table_name(&store.table)
            .key_condition_expression("PK = :connections")
            .expression_attribute_values(":connections", text(keys::connection(tenant, "").pk))
            .consistent_read(true)
            .set_exclusive_start_key(start.take())
            .send()
            .await?;
        found.extend(output.items.unwrap_or_default().into_iter().filter_map(|item| parse(item).ok()));
        start = output.last_evaluated_key;
        if start.is_none() {
            return Ok(found);
        }
    }
}

/// Makes of a connection what `decide` says of it as it stands, and gives what it is then; none if it
/// is gone. `decide` is asked again when another change came between, and answers `None` for a
/// connection that should stay as it is. Idempotent as far as `decide` is.
///
/// # Errors
/// [`Error::Unavailable`] when it keeps changing.
pub async fn update(
    store: &Store,
    tenant: &TenantId,
    known: Connection,
    decide: impl Fn(&Connection) -> Option<Connection>,
) -> Result<Option<Connection>> {
    let mut known = known;
    for _ in 0..ATTEMPTS_MAX {
        let Some(after) = decide(&known) else {
            return Ok(Some(known));
        };
        if after.subscriptions == known.subscriptions {
            return Ok(Some(after));
        }
        let (old, new) = (item(tenant, &known)?, item(tenant, &after)?);
        match write(store, tenant, &old, &new, &known).await? {
            Update::Done => return Ok(Some(Connection { written: subscriptions_json(&after)?, ..after })),
            Update::Gone => return Ok(None),
            Update::Stale(now) => known = now,
        }
    }
    Err(Error::Unavailable("a connection keeps changing".into()))
}

enum Update {
    Done,
    Gone,
    Stale(Connection),
}

async fn write(
    store: &Store,
    tenant: &TenantId,
    old: &Item,
    new: &Item,
    known: &Connection,
) -> Result<Update> {
    let change = change(old, new);
    let mut update = store
        .client
        .update_item()
        .table_name(&store.table)
        .set_key(Some(keys::connection(tenant, known.id.as_str()).to_item()))
        .update_expression(change.expression)
        .set_expression_attribute_names(Some(change.names))
        .set_expression_attribute_values((!change.values.is_empty()).then_some(change.values))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let condition = match &known.written {
        None => "attribute_exists(PK) AND attribute_not_exists(subs)",
        Some(subscriptions) => {
            update = update.expression_attribute_values(":was", text(subscriptions));
            "attribute_exists(PK) AND subs = :was"
        }
    };
    let Err(error) = update.condition_expression(condition).send().await else {
        return Ok(Update::Done);
    };
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(refused)) => match refused.item() {
            None => Ok(Update::Gone),
            // The answer to this very write was lost.
            Some(now) if now.get("subs") == new.get("subs") => Ok(Update::Done),
            Some(now) => Ok(Update::Stale(parse(now.clone())?)),
        },
        _ => Err(error.into()),
    }
}

fn item(tenant: &TenantId, connection: &Connection) -> Result<Item> {
    let key = keys::connection(tenant, connection.id.as_str());
    to_item(&ConnectionItem {
        pk: key.pk,
        sk: key.sk,
        entity: ENTITY.to_owned(),
        exp: connection.token_expires_at.as_second(),
        subs: subscriptions_json(connection)?,
        ttl: connection.opened_at.as_second() + ROW_AGE_S,
    })
}

/// The subscriptions as a row has them; nothing where there are none.
fn subscriptions_json(connection: &Connection) -> Result<Option<String>> {
    if connection.subscriptions.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_string(&connection.subscriptions);
    json.map(Some).map_err(|_| Error::internal("subscriptions have no form as JSON"))
}

fn parse(item: Item) -> Result<Connection> {
    let unreadable = || Error::internal("a stored connection cannot be read");
    let row: ConnectionItem = from_item(item)?;
    let instant = |second| Timestamp::from_second(second).map_err(|_| unreadable());
    Ok(Connection {
        id: row.sk.parse().map_err(|_| unreadable())?,
        token_expires_at: instant(row.exp)?,
        opened_at: instant(row.ttl - ROW_AGE_S)?,
        subscriptions: match &row.subs {
            None => Vec::new(),
            Some(json) => serde_json::from_str(json).map_err(|_| unreadable())?,
        },
        written: row.subs,
    })
}

/// Who may open a socket with a ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct Bearer {
    pub user: UserId,
    /// When the token that asked for the ticket expires.
    pub token_expires_at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct TicketItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    user: UserId,
    /// Seconds since the epoch at which the token expires.
    exp: i64,
    /// Seconds since the epoch at which the ticket expires.
    ttl: i64,
}

/// Writes a ticket of the caller's.
///
/// # Errors
/// As the database's.
pub async fn insert_ticket(store: &Store, ticket: &Ticket, caller: &Caller, now: Timestamp) -> Result<()> {
    let key = keys::ticket(ticket.tenant(), &ticket.digest());
    let item = to_item(&TicketItem {
        pk: key.pk,
        sk: key.sk,
        entity: TICKET_ENTITY.to_owned(),
        user: caller.user.clone(),
        exp: caller.expires_at.as_second(),
        ttl: now.as_second() + TICKET_AGE_S,
    })?;
    store.client.put_item().table_name(&store.table).set_item(Some(item)).send().await?;
    Ok(())
}

/// Takes a ticket, which nobody can then take again. Idempotent by `run`: an attempt whose answer
/// was lost is sent again and recognised.
///
/// # Errors
/// As the database's.
pub async fn take_ticket(store: &Store, ticket: &Ticket, run: u64, now: Timestamp) -> Result<Option<Bearer>> {
    let update = store
        .client
        .update_item()
        .table_name(&store.table)
        .set_key(Some(keys::ticket(ticket.tenant(), &ticket.digest()).to_item()))
        .update_expression("SET taken = :run")
        .condition_expression(
            "attribute_exists(PK) AND #ttl > :now AND (attribute_not_exists(taken) OR taken = :run)",
        )
        .expression_attribute_names("#ttl", keys::TTL)
        .expression_attribute_values(":run", number(run))
        .expression_attribute_values(":now", number(u64::try_from(now.as_second()).unwrap_or_default()))
        .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew);
    let output = match update.send().await {
        Ok(output) => output,
        Err(error) => {
            return match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(error.into()),
            };
        }
    };
    let row: TicketItem = from_item(output.attributes.unwrap_or_default())?;
    Ok(Some(Bearer {
        user: row.user,
        token_expires_at: Timestamp::from_second(row.exp)
            .map_err(|_| Error::internal("a stored ticket cannot be read"))?,
    }))
}
