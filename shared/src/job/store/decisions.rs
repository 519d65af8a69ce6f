//! What was decided about a chunk's items before anything was done: an item of its own, or several.

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::{Decision, Job, KEPT_S};
use crate::dynamo::{Store, from_item, is_refused_put, keys, number, refused_put, to_item};
use crate::error::{Error, Result};
use crate::id::{JobId, TenantId};

const DECISIONS: &str = "job_decisions";
/// The greatest part of decisions in one item, in bytes: the database's bound is 400 KB.
const PART_MAX_BYTES: usize = 350 * 1024;

/// What was decided about a chunk's items.
#[derive(Debug, Clone, PartialEq)]
pub struct Decisions {
    /// How often they were decided anew.
    pub round: u64,
    /// When they were decided first.
    pub decided_at: Timestamp,
    /// In the order of the items.
    pub items: Vec<Decision>,
}

#[derive(Serialize, Deserialize)]
struct DecisionsItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    round: u64,
    /// When they were decided first, in milliseconds since the epoch.
    #[serde(default)]
    at_ms: i64,
    /// JSON, or the beginning of it.
    decided: String,
    /// The names of the parts that have the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<String>,
    ttl: i64,
}

/// What stands of a chunk's decisions.
const FIRST: &str = "0";

/// What was decided about a chunk's items, if anything was.
///
/// # Errors
/// As the database's.
pub async fn get_decisions(
    store: &Store,
    tenant: &TenantId,
    id: &JobId,
    plan: &str,
    chunk: u32,
) -> Result<Option<Decisions>> {
    let unreadable = || Error::internal("stored decisions cannot be read");
    let key = |part: &str| keys::job_decisions(tenant, id, plan, chunk, part);
    let Some(item) = store.get(&key(FIRST)).await? else {
        return Ok(None);
    };
    let row: DecisionsItem = from_item(item)?;
    let mut json = row.decided;
    for part in &row.parts {
        let item = store.get(&key(part)).await?.ok_or_else(unreadable)?;
        let part: DecisionsItem = from_item(item)?;
        json.push_str(&part.decided);
    }
    let items = serde_json::from_str(&json).map_err(|_| unreadable())?;
    let decided_at = Timestamp::from_millisecond(row.at_ms).map_err(|_| unreadable())?;
    Ok(Some(Decisions { round: row.round, decided_at, items }))
}

/// Writes down what was decided, if nobody has decided in this round. False if somebody has. What is too large
/// for one item is in several, of which the first is written last.
///
/// # Errors
/// As the database's.
pub async fn put_decisions(
    store: &Store,
    tenant: &TenantId,
    job: &Job,
    plan: &str,
    chunk: u32,
    decisions: &Decisions,
) -> Result<bool> {
    let json =
        serde_json::to_string(&decisions.items).map_err(|_| Error::internal("decisions are no JSON"))?;
    let mut pieces = pieces(&json);
    let first = pieces.next().unwrap_or_default().to_owned();
    let row = |part: &str, decided: String, parts: Vec<String>| {
        let key = keys::job_decisions(tenant, &job.id, plan, chunk, part);
        let ttl = job.created.at.as_second() + KEPT_S;
        let (round, entity) = (decisions.round, DECISIONS.to_owned());
        let at_ms = decisions.decided_at.as_millisecond();
        to_item(&DecisionsItem { pk: key.pk, sk: key.sk, entity, round, at_ms, decided, parts, ttl })
    };
    let mut parts = Vec::new();
    for piece in pieces {
        // Its name is nobody else's, so that no other try can put its own in the place.
        let name = format!("{:016x}", fastrand::u64(..));
        let put = store.client.put_item().table_name(&store.table);
        put.set_item(Some(row(&name, piece.to_owned(), Vec::new())?)).send().await?;
        parts.push(name);
    }
    let item = row(FIRST, first, parts)?;
    let put = store.client.put_item().table_name(&store.table).set_item(Some(item.clone()));
    let put = match decisions.round {
        0 => put.condition_expression("attribute_not_exists(PK)"),
        round => put
            .condition_expression("#round = :before")
            .expression_attribute_names("#round", "round")
            .expression_attribute_values(":before", number(round - 1)),
    };
    match put
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await
    {
        Ok(_) => Ok(true),
        // The answer to this very write may have been lost.
        Err(error) if is_refused_put(&error) => Ok(refused_put(&error).is_some_and(|there| there == item)),
        Err(error) => Err(error.into()),
    }
}

/// A text in pieces of at most [`PART_MAX_BYTES`].
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PART_MAX_BYTES));
        rest = after;
        Some(piece)
    })
}
