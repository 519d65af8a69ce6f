//! Approvals in the table: a tenant's are one partition, by time. A decision is a write on condition that
//! there is none yet; an acceptance is one transaction with the change of the agent's head.

use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Approval, Decision};
use crate::agent::Stamp;
use crate::clock::rfc3339;
use crate::dynamo::{Item, Store, built, from_item, is_refused_put, keys, number, text, to_item};
use crate::error::{Error, Result};
use crate::id::{AgentId, AliasName, ApprovalId, TenantId, UserId};
use crate::page::Page;

pub(crate) const ENTITY: &str = "approval";
/// How long one is kept past its end, in seconds: thirty days.
const KEPT_S: i64 = 30 * 24 * 3_600;

#[derive(Debug, Serialize, Deserialize)]
struct ApprovalItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    /// What the stream's filter tells items apart by.
    entity: String,
    rev: u64,
    agent: AgentId,
    alias: AliasName,
    /// JSON.
    before: String,
    /// JSON.
    after: String,
    /// JSON.
    risks: String,
    requested_at: String,
    requested_by: UserId,
    expires_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided_by: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Seconds since the epoch.
    ttl: i64,
}

/// Writes one that is asked for. Idempotent by its id.
///
/// # Errors
/// As the database's.
pub async fn insert(store: &Store, tenant: &TenantId, approval: &Approval) -> Result<()> {
    let put = store
        .client
        .put_item()
        .table_name(&store.table)
        .set_item(Some(item(tenant, approval)?))
        .condition_expression("attribute_not_exists(PK)")
        .send()
        .await;
    match put {
        Ok(_) => Ok(()),
        // The answer to the first try was lost: ids are random.
        Err(error) if is_refused_put(&error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// An approval, read consistently.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(store: &Store, tenant: &TenantId, id: &ApprovalId, now: Timestamp) -> Result<Approval> {
    let item = store.get(&keys::approval(tenant, id)).await?.ok_or(Error::NotFound("approval"))?;
    let row: ApprovalItem = from_item(item)?;
    if row.ttl <= now.as_second() { Err(Error::NotFound("approval")) } else { parse(row) }
}

/// Writes a rejection. False if it was decided already, otherwise than by this very one.
///
/// # Errors
/// As the database's.
pub async fn reject(store: &Store, tenant: &TenantId, decided: &Approval) -> Result<bool> {
    let put = store
        .client
        .put_item()
        .table_name(&store.table)
        .set_item(Some(item(tenant, decided)?))
        .condition_expression("rev < :rev OR (decided_at = :at AND decided_by = :by AND accepted = :no)")
        .expression_attribute_values(":no", AttributeValue::Bool(false))
        .expression_attribute_values(":rev", number(decided.rev))
        .expression_attribute_values(
            ":at",
            text(decided.decided().map(|by| rfc3339(by.at)).unwrap_or_default()),
        )
        .expression_attribute_values(":by", text(decided.decided().map_or("", |stamp| stamp.by.as_str())))
        .send()
        .await;
    match put {
        Ok(_) => Ok(true),
        Err(error) if is_refused_put(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The action that accepts one on condition that nobody has decided it.
///
/// # Errors
/// [`Error::Internal`] if the SDK refuses the action.
pub fn accept(store: &Store, tenant: &TenantId, accepted: &Approval) -> Result<TransactWriteItem> {
    let Decision::Accepted(stamp) = &accepted.decision else {
        return Err(Error::internal("an approval that is not accepted was to be written as accepted"));
    };
    let update = Update::builder()
        .table_name(&store.table)
        .set_key(Some(keys::approval(tenant, &accepted.id).to_item()))
        .update_expression("SET rev = :rev, accepted = :yes, decided_at = :at, decided_by = :by, #ttl = :ttl")
        .condition_expression("rev < :rev")
        .expression_attribute_names("#ttl", keys::TTL)
        .expression_attribute_values(":rev", number(accepted.rev))
        .expression_attribute_values(":yes", AttributeValue::Bool(true))
        .expression_attribute_values(":at", text(rfc3339(stamp.at)))
        .expression_attribute_values(":by", text(stamp.by.as_str()))
        .expression_attribute_values(":ttl", AttributeValue::N(ttl(accepted).to_string()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(TransactWriteItem::builder().update(built(update.build())?).build())
}

/// A page of the tenant's approvals, newest first. `after` is the id that the page before ended with.
///
/// # Errors
/// [`Error::InvalidCursor`] for an `after` that is no id.
pub async fn list(
    store: &Store,
    tenant: &TenantId,
    after: Option<&str>,
    limit: u32,
    now: Timestamp,
) -> Result<Page<Approval>> {
    let start = after.map(|id| id.parse::<ApprovalId>().map_err(|_| Error::InvalidCursor)).transpose()?;
    let output = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("PK = :approvals")
        .expression_attribute_values(":approvals", text(keys::approvals(tenant)))
        .scan_index_forward(false)
        .consistent_read(true)
        .limit(i32::try_from(limit).unwrap_or(i32::MAX))
        .set_exclusive_start_key(start.map(|id| keys::approval(tenant, &id).to_item()))
        .send()
        .await?;
    let next = output.last_evaluated_key.as_ref().and_then(|key| key.get(keys::SK));
    let next_cursor = next.and_then(|id| id.as_s().ok()).cloned();
    let mut items = Vec::new();
    for item in output.items.unwrap_or_default() {
        let row: ApprovalItem = from_item(item)?;
        if row.ttl > now.as_second() {
            items.push(parse(row)?);
        }
    }
    Ok(Page { items, next_cursor })
}

/// Whether a stream's image is an approval's.
pub fn is_image(image: &serde_dynamo::Item) -> bool {
    matches!(image.get("entity"), Some(serde_dynamo::AttributeValue::S(entity)) if entity == ENTITY)
}

/// What a stream's image says, if it is an approval.
///
/// # Errors
/// [`Error::Internal`] for one that can't be read.
pub fn read_image(image: serde_dynamo::Item) -> Result<Option<(TenantId, Approval)>> {
    if !is_image(&image) {
        return Ok(None);
    }
    let row: ApprovalItem = from_item(image)?;
    let tenant =
        keys::split_approvals(&row.pk).ok_or_else(|| Error::internal("an image has no approval's key"))?;
    Ok(Some((tenant, parse(row)?)))
}

fn ttl(approval: &Approval) -> i64 {
    let end = approval.decided().map_or(approval.expires_at, |stamp| stamp.at);
    end.as_second() + KEPT_S
}

fn item(tenant: &TenantId, approval: &Approval) -> Result<Item> {
    let json = |_: serde_json::Error| Error::internal("an approval has no form as JSON");
    let key = keys::approval(tenant, &approval.id);
    let decided = approval.decided();
    let (accepted, reason) = match &approval.decision {
        Decision::Pending => (None, None),
        Decision::Accepted(_) => (Some(true), None),
        Decision::Rejected { reason, .. } => (Some(false), reason.clone()),
    };
    to_item(&ApprovalItem {
        pk: key.pk,
        sk: key.sk,
        entity: ENTITY.to_owned(),
        rev: approval.rev,
        agent: approval.agent.clone(),
        alias: approval.alias.clone(),
        before: serde_json::to_string(&approval.before).map_err(json)?,
        after: serde_json::to_string(&approval.after).map_err(json)?,
        risks: serde_json::to_string(&approval.risks).map_err(json)?,
        requested_at: rfc3339(approval.requested.at),
        requested_by: approval.requested.by.clone(),
        expires_at: rfc3339(approval.expires_at),
        accepted,
        decided_at: decided.map(|stamp| rfc3339(stamp.at)),
        decided_by: decided.map(|stamp| stamp.by.clone()),
        reason,
        ttl: ttl(approval),
    })
}

fn parse(row: ApprovalItem) -> Result<Approval> {
    let unreadable = || Error::internal("a stored approval cannot be read");
    let json = |_: serde_json::Error| unreadable();
    let instant = |text: &str| text.parse::<Timestamp>().map_err(|_| unreadable());
    let decision = match (row.accepted, row.decided_at, row.decided_by) {
        (Some(accepted), Some(at), Some(by)) => {
            let by = Stamp { at: instant(&at)?, by };
            if accepted { Decision::Accepted(by) } else { Decision::Rejected { by, reason: row.reason } }
        }
        (_, _, _) => Decision::Pending,
    };
    Ok(Approval {
        id: row.sk.parse().map_err(|_| unreadable())?,
        rev: row.rev,
        agent: row.agent,
        alias: row.alias,
        before: serde_json::from_str(&row.before).map_err(json)?,
        after: serde_json::from_str(&row.after).map_err(json)?,
        risks: serde_json::from_str(&row.risks).map_err(json)?,
        requested: Stamp { at: instant(&row.requested_at)?, by: row.requested_by },
        expires_at: instant(&row.expires_at)?,
        decision,
    })
}
