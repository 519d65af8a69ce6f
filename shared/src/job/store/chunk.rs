//! A job's chunks: their items, what was decided about each before anything was done, and what became of them.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::import::Record;
use super::super::{Decision, Item as Became, Job, KEPT_S};
use super::head;
use crate::dynamo::{
    Item, Store, built, from_item, is_refused_put, keys, number, refused_put, text, to_item,
};
use crate::error::{Error, Result};
use crate::id::{AgentId, JobId, TenantId};

const CHUNK: &str = "job_chunk";
const DECISIONS: &str = "job_decisions";
/// The greatest part of decisions in one item, in bytes: the database's bound is 400 KB.
const PART_MAX_BYTES: usize = 350 * 1024;
const ID_BYTES: usize = 16;

/// What a chunk is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    Agents(Vec<AgentId>),
    /// Terms of the search index, as text.
    Terms(Vec<String>),
    /// Agents of a file.
    Records(Vec<Record>),
}

impl Items {
    pub fn len(&self) -> usize {
        match self {
            Self::Agents(ids) => ids.len(),
            Self::Terms(terms) => terms.len(),
            Self::Records(records) => records.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their names, as clients see them.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Agents(ids) => ids.iter().map(ToString::to_string).collect(),
            Self::Terms(terms) => terms.clone(),
            Self::Records(records) => records.iter().map(|record| record.made().to_string()).collect(),
        }
    }
}

/// A part of a job that one message asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// From 1.
    pub number: u32,
    pub items: Items,
    /// The chunk of the job that this one follows, where the items come from one.
    pub of: Option<u32>,
    /// In the order of the items, once it has come to its end.
    pub outcomes: Option<Vec<Became>>,
    /// What it found beside them, by name.
    pub findings: Vec<(String, u64)>,
}

#[derive(Serialize, Deserialize)]
struct ChunkItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    number: u32,
    /// JSON, of terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    terms: Option<String>,
    /// JSON, of records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    records: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<u32>,
    /// JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcomes: Option<String>,
    /// JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    findings: Option<String>,
    ttl: i64,
}

fn item(tenant: &TenantId, job: &Job, plan: &str, chunk: &Chunk) -> Result<Item> {
    let key = keys::job_chunk(tenant, &job.id, plan, chunk.number);
    let json = |_| Error::internal("a chunk is no JSON");
    let (terms, records) = match &chunk.items {
        Items::Agents(_) => (None, None),
        Items::Terms(terms) => (Some(serde_json::to_string(terms).map_err(json)?), None),
        Items::Records(records) => (None, Some(serde_json::to_string(records).map_err(json)?)),
    };
    let mut item = to_item(&ChunkItem {
        pk: key.pk,
        sk: key.sk,
        entity: CHUNK.to_owned(),
        number: chunk.number,
        terms,
        records,
        of: chunk.of,
        outcomes: chunk.outcomes.as_ref().map(serde_json::to_string).transpose().map_err(json)?,
        findings: if chunk.findings.is_empty() {
            None
        } else {
            Some(serde_json::to_string(&chunk.findings).map_err(json)?)
        },
        ttl: job.created.at.as_second() + KEPT_S,
    })?;
    if let Items::Agents(ids) = &chunk.items {
        let bytes: Vec<u8> = ids.iter().flat_map(AgentId::to_bytes).collect();
        item.insert("ids".to_owned(), AttributeValue::B(Blob::new(bytes)));
    }
    Ok(item)
}

fn parse(mut item: Item) -> Result<Chunk> {
    let unreadable = || Error::internal("a stored chunk cannot be read");
    let ids = item.remove("ids");
    let row: ChunkItem = from_item(item)?;
    let items = match (ids, row.terms, row.records) {
        (Some(AttributeValue::B(bytes)), None, None) => {
            let (ids, rest) = bytes.as_ref().as_chunks::<ID_BYTES>();
            if !rest.is_empty() {
                return Err(unreadable());
            }
            Items::Agents(ids.iter().map(|bytes| AgentId::from_bytes(*bytes)).collect())
        }
        (None, Some(terms), None) => Items::Terms(serde_json::from_str(&terms).map_err(|_| unreadable())?),
        (None, None, Some(records)) => {
            Items::Records(serde_json::from_str(&records).map_err(|_| unreadable())?)
        }
        (_, _, _) => return Err(unreadable()),
    };
    let outcomes: Option<Vec<Became>> =
        row.outcomes.map(|json| serde_json::from_str(&json)).transpose().map_err(|_| unreadable())?;
    if outcomes.as_ref().is_some_and(|outcomes| outcomes.len() != items.len()) {
        return Err(unreadable());
    }
    let findings = row.findings.map(|json| serde_json::from_str(&json)).transpose();
    let findings = findings.map_err(|_| unreadable())?.unwrap_or_default();
    Ok(Chunk { number: row.number, items, of: row.of, outcomes, findings })
}

/// Writes the chunks of a plan that nobody goes by yet.
///
/// # Errors
/// As the database's.
pub async fn put_chunks(
    store: &Store,
    tenant: &TenantId,
    job: &Job,
    plan: &str,
    chunks: &[Chunk],
) -> Result<()> {
    let mut requests = Vec::new();
    for chunk in chunks {
        let put = built(PutRequest::builder().set_item(Some(item(tenant, job, plan, chunk)?)).build())?;
        requests.push(WriteRequest::builder().put_request(put).build());
    }
    store.write_all(requests).await
}

/// A job and one of its chunks, read consistently in one call.
///
/// # Errors
/// [`Error::NotFound`] for the job.
pub async fn get_with_chunk(
    store: &Store,
    tenant: &TenantId,
    id: &JobId,
    plan: &str,
    number: u32,
) -> Result<(Job, Option<Chunk>)> {
    let request = KeysAndAttributes::builder()
        .keys(keys::job_head(tenant, id).to_item())
        .keys(keys::job_chunk(tenant, id, plan, number).to_item())
        .consistent_read(true);
    let (mut job, mut chunk) = (None, None);
    for item in store.get_all(built(request.build())?).await? {
        if item.get("entity").and_then(|entity| entity.as_s().ok()).is_some_and(|name| name == head::ENTITY) {
            job = Some(head::parse(item)?);
        } else {
            chunk = Some(parse(item)?);
        }
    }
    Ok((job.ok_or(Error::NotFound("job"))?, chunk))
}

/// Up to `limit` chunks of a plan from this number on, in their order.
///
/// # Errors
/// As the database's.
pub async fn list_chunks(
    store: &Store,
    tenant: &TenantId,
    id: &JobId,
    plan: &str,
    from: u32,
    limit: i32,
) -> Result<Vec<Chunk>> {
    let output = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("PK = :job AND SK BETWEEN :from AND :to")
        .expression_attribute_values(":job", text(keys::job_head(tenant, id).pk))
        .expression_attribute_values(":from", text(keys::job_chunk_sort_key(plan, from)))
        .expression_attribute_values(":to", text(keys::job_chunk_sort_key(plan, 999_999)))
        .consistent_read(true)
        .limit(limit)
        .send()
        .await?;
    output.items.unwrap_or_default().into_iter().map(parse).collect()
}

/// Writes a chunk with what became of its items, once. What stands there then: the first that was written.
///
/// # Errors
/// As the database's.
pub async fn put_outcomes(
    store: &Store,
    tenant: &TenantId,
    job: &Job,
    plan: &str,
    ended: Chunk,
) -> Result<Chunk> {
    let put = store
        .client
        .put_item()
        .table_name(&store.table)
        .set_item(Some(item(tenant, job, plan, &ended)?))
        .condition_expression("attribute_not_exists(outcomes)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match put {
        Ok(_) => Ok(ended),
        Err(error) => match refused_put(&error) {
            Some(there) => parse(there),
            None => Err(error.into()),
        },
    }
}

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

/// The items of a chunk that are left to do, once its job has ended; none if there are none.
pub fn retried(chunk: &Chunk) -> Option<Items> {
    let is_left = |index: usize| {
        let outcome = chunk.outcomes.as_ref().and_then(|outcomes| outcomes.get(index));
        outcome.is_none_or(|item| !item.outcome.is_done())
    };
    let left = match &chunk.items {
        Items::Agents(ids) => Items::Agents(left(ids, is_left)),
        Items::Records(records) => Items::Records(left(records, is_left)),
        Items::Terms(terms) => Items::Terms(left(terms, is_left)),
    };
    (!left.is_empty()).then_some(left)
}

fn left<T: Clone>(items: &[T], is_left: impl Fn(usize) -> bool) -> Vec<T> {
    items.iter().enumerate().filter(|(index, _)| is_left(*index)).map(|(_, item)| item.clone()).collect()
}
