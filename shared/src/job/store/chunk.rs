//! A job's chunks: their items, and what became of them.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use serde::{Deserialize, Serialize};

use super::super::import::{Record, TemplateRecord};
use super::super::{Item as Became, Job, KEPT_S};
use super::head;
use crate::dynamo::{Item, Store, built, from_item, keys, refused_put, text, to_item};
use crate::error::{Error, Result};
use crate::export::Subject;
use crate::id::{AgentId, JobId, TemplateId, TenantId};

const CHUNK: &str = "job_chunk";
const ID_BYTES: usize = 16;

/// What a chunk is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    Agents(Vec<AgentId>),
    /// Terms of the search index, as text.
    Terms(Vec<String>),
    /// Agents of a file.
    Records(Vec<Record>),
    Templates(Vec<TemplateId>),
    /// Templates of a file.
    TemplateRecords(Vec<TemplateRecord>),
    /// Agents or templates of a file that the table has no room for.
    Filed(Filed),
    /// None: the chunk puts together what all others have written.
    Assembly,
}

/// Records in a file of a job's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filed {
    /// The job that keeps the file.
    pub job: JobId,
    /// The file's name among what the job keeps.
    pub name: String,
    pub subject: Subject,
    /// What is made of each record if there is nothing else, in their order.
    pub ids: Vec<String>,
    /// Which records of the file they are.
    pub rows: Vec<usize>,
}

/// Items that came later than the others, as they are kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Templates(Vec<TemplateId>),
    TemplateRecords(Vec<TemplateRecord>),
    Filed(Filed),
    Assembly,
}

impl Items {
    pub fn len(&self) -> usize {
        match self {
            Self::Agents(ids) => ids.len(),
            Self::Terms(terms) => terms.len(),
            Self::Records(records) => records.len(),
            Self::Templates(ids) => ids.len(),
            Self::TemplateRecords(records) => records.len(),
            Self::Filed(filed) => filed.ids.len(),
            Self::Assembly => 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether they are templates of a file, from which its agents may be made.
    pub fn is_of_templates(&self) -> bool {
        match self {
            Self::TemplateRecords(_) => true,
            Self::Filed(filed) => filed.subject == Subject::Template,
            Self::Agents(_) | Self::Terms(_) | Self::Records(_) | Self::Templates(_) | Self::Assembly => {
                false
            }
        }
    }

    /// Their names, as clients see them.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Agents(ids) => ids.iter().map(ToString::to_string).collect(),
            Self::Terms(terms) => terms.clone(),
            Self::Records(records) => records.iter().map(|record| record.made().to_string()).collect(),
            Self::Templates(ids) => ids.iter().map(ToString::to_string).collect(),
            Self::TemplateRecords(records) => records.iter().map(|record| record.made.to_string()).collect(),
            Self::Filed(filed) => filed.ids.clone(),
            Self::Assembly => Vec::new(),
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
    /// The names of what it has written, in their order.
    pub parts: Vec<String>,
}

impl Chunk {
    /// A chunk that nobody has begun.
    pub fn new(number: u32, items: Items) -> Self {
        Self { number, items, of: None, outcomes: None, findings: Vec::new(), parts: Vec::new() }
    }
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
    /// JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<String>,
    ttl: i64,
}

fn item(tenant: &TenantId, job: &Job, plan: &str, chunk: &Chunk) -> Result<Item> {
    let key = keys::job_chunk(tenant, &job.id, plan, chunk.number);
    let json = |_| Error::internal("a chunk is no JSON");
    let (mut terms, mut records, mut kept) = (None, None, None);
    match &chunk.items {
        Items::Agents(_) => {}
        Items::Terms(all) => terms = Some(serde_json::to_string(all).map_err(json)?),
        Items::Records(all) => records = Some(serde_json::to_string(all).map_err(json)?),
        Items::Templates(ids) => kept = Some(Kept::Templates(ids.clone())),
        Items::TemplateRecords(all) => kept = Some(Kept::TemplateRecords(all.clone())),
        Items::Filed(filed) => kept = Some(Kept::Filed(filed.clone())),
        Items::Assembly => kept = Some(Kept::Assembly),
    }
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
        kept: kept.map(|kept| serde_json::to_string(&kept)).transpose().map_err(json)?,
        parts: chunk.parts.clone(),
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
    let kept: Option<Kept> =
        row.kept.map(|json| serde_json::from_str(&json)).transpose().map_err(|_| unreadable())?;
    let items = match (ids, row.terms, row.records) {
        (None, None, None) => match kept.ok_or_else(unreadable)? {
            Kept::Templates(ids) => Items::Templates(ids),
            Kept::TemplateRecords(records) => Items::TemplateRecords(records),
            Kept::Filed(filed) => Items::Filed(filed),
            Kept::Assembly => Items::Assembly,
        },
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
    Ok(Chunk { number: row.number, items, of: row.of, outcomes, findings, parts: row.parts })
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
        Items::Templates(ids) => Items::Templates(left(ids, is_left)),
        Items::TemplateRecords(records) => Items::TemplateRecords(left(records, is_left)),
        Items::Filed(filed) => Items::Filed(Filed {
            ids: left(&filed.ids, is_left),
            rows: left(&filed.rows, is_left),
            ..filed.clone()
        }),
        Items::Assembly => Items::Assembly,
    };
    (!left.is_empty()).then_some(left)
}

fn left<T: Clone>(items: &[T], is_left: impl Fn(usize) -> bool) -> Vec<T> {
    items.iter().enumerate().filter(|(index, _)| is_left(*index)).map(|(_, item)| item.clone()).collect()
}
