//! The head of a job as an item.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::{Counts, Job, JobFile, KEPT_S, Kind, LANES, Plan, Problem, Spec, plan::lane};
use crate::agent::Stamp;
use crate::clock::rfc3339;
use crate::creation::Creation;
use crate::dynamo::{Item, Store, built, from_item, keys, number, text, to_item};
use crate::error::{Error, Result};
use crate::id::{JobId, TenantId, UserId};
use crate::json::BODY_MAX_BYTES;
use crate::page::Page;

pub(super) const ENTITY: &str = "job";
const SPEC: &str = "job_spec";
/// The most bytes of a specification: an item has 400 KB.
const SPEC_MAX_BYTES: usize = 395 * 1024;
const CREATION: &str = "creation";
/// Of how many chunks the file was made.
pub(super) const FILE_CHUNKS: &str = "file_chunks";
/// What counters of findings begin with.
pub(super) const FOUND: &str = "f_";
const LANE_ATTRIBUTES: [&str; LANES] = ["l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7"];

/// What a new job is written as.
#[derive(Serialize)]
struct NewItem<'a> {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "GSI1PK")]
    gsi1_pk: String,
    #[serde(rename = "GSI1SK")]
    gsi1_sk: String,
    entity: &'static str,
    rev: u64,
    kind: Kind,
    status: &'static str,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'a JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_failures: Option<u64>,
    created_at: String,
    created_by: &'a UserId,
    updated_at: String,
    updated_by: &'a UserId,
    ttl: i64,
}

#[derive(Deserialize)]
struct HeadItem {
    #[serde(rename = "PK")]
    pk: String,
    rev: u64,
    kind: Kind,
    status: String,
    dry_run: bool,
    of: Option<JobId>,
    max_failures: Option<u64>,
    /// JSON.
    plan: Option<String>,
    #[serde(default)]
    l0: u32,
    #[serde(default)]
    l1: u32,
    #[serde(default)]
    l2: u32,
    #[serde(default)]
    l3: u32,
    #[serde(default)]
    l4: u32,
    #[serde(default)]
    l5: u32,
    #[serde(default)]
    l6: u32,
    #[serde(default)]
    l7: u32,
    #[serde(default)]
    stuck_items: u64,
    #[serde(default)]
    n_changed: u64,
    #[serde(default)]
    n_unchanged: u64,
    #[serde(default)]
    n_refused: u64,
    #[serde(default)]
    n_conflict: u64,
    #[serde(default)]
    n_missing: u64,
    #[serde(default)]
    n_error: u64,
    #[serde(default)]
    n_skipped: u64,
    cancelled_at: Option<String>,
    cancelled_by: Option<UserId>,
    /// JSON.
    problem: Option<String>,
    /// JSON.
    file: Option<String>,
    created_at: String,
    created_by: UserId,
    updated_at: String,
    updated_by: UserId,
    started_at: Option<String>,
    ended_at: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SpecItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    /// JSON.
    spec: String,
    ttl: i64,
}

/// The attribute that has what a chunk's lane has left behind.
pub(super) fn lane_attribute(chunk: u32) -> &'static str {
    LANE_ATTRIBUTES.get(lane(chunk)).copied().unwrap_or(LANE_ATTRIBUTES[0])
}

/// What is added to the counters.
pub(super) fn counted(counts: Counts) -> Vec<(&'static str, AttributeValue)> {
    let counts = [
        ("n_changed", counts.changed),
        ("n_unchanged", counts.unchanged),
        ("n_refused", counts.refused),
        ("n_conflict", counts.conflict),
        ("n_missing", counts.missing),
        ("n_error", counts.error),
        ("n_skipped", counts.skipped),
    ];
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name, number(count))).collect()
}

/// What says which file there is.
pub(super) fn file_attributes(file: &JobFile) -> Result<[(&'static str, AttributeValue); 2]> {
    let json = serde_json::to_string(file).map_err(|_| Error::internal("a file's name is no JSON"))?;
    Ok([("file", text(json)), (FILE_CHUNKS, number(u64::from(file.chunks)))])
}

pub(super) fn item(tenant: &TenantId, job: &Job, creation: Creation) -> Result<Item> {
    let key = keys::job_head(tenant, &job.id);
    let mut item = to_item(&NewItem {
        pk: key.pk,
        sk: key.sk,
        gsi1_pk: keys::jobs_by_creation(tenant),
        gsi1_sk: keys::job_by_creation(job.created.at, &job.id),
        entity: ENTITY,
        rev: job.rev,
        kind: job.kind,
        status: job.state.as_str(),
        dry_run: job.is_dry_run,
        of: job.of.as_ref(),
        max_failures: job.max_failures,
        created_at: rfc3339(job.created.at),
        created_by: &job.created.by,
        updated_at: rfc3339(job.updated.at),
        updated_by: &job.updated.by,
        ttl: job.created.at.as_second() + KEPT_S,
    })?;
    item.insert(CREATION.to_owned(), AttributeValue::B(Blob::new(creation.to_bytes())));
    Ok(item)
}

pub(super) fn spec_item(tenant: &TenantId, job: &Job, spec: &Spec) -> Result<Item> {
    let key = keys::job_spec(tenant, &job.id);
    let spec = serde_json::to_string(spec).map_err(|_| Error::internal("a specification is no JSON"))?;
    // Numbers may be longer than they were sent.
    if spec.len() > SPEC_MAX_BYTES {
        return Err(Error::TooLarge { limit_bytes: BODY_MAX_BYTES });
    }
    let ttl = job.created.at.as_second() + KEPT_S;
    to_item(&SpecItem { pk: key.pk, sk: key.sk, entity: SPEC.to_owned(), spec, ttl })
}

pub(super) fn parse_spec(item: Item) -> Result<Spec> {
    let item: SpecItem = from_item(item)?;
    serde_json::from_str(&item.spec).map_err(|_| Error::internal("a stored specification cannot be read"))
}

pub(super) fn creation(item: &Item) -> Option<Creation> {
    Creation::from_bytes(item.get(CREATION)?.as_b().ok()?.as_ref())
}

pub(super) fn expires_at(item: &Item) -> Option<i64> {
    item.get(keys::TTL)?.as_n().ok()?.parse().ok()
}

fn at(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|_| Error::internal("a stored time cannot be read"))
}

pub(super) fn parse(item: impl Into<serde_dynamo::Item>) -> Result<Job> {
    use serde_dynamo::AttributeValue::{N, Ns};

    let unreadable = || Error::internal("a stored job cannot be read");
    let item: serde_dynamo::Item = item.into();
    let stuck = match item.get("stuck") {
        Some(Ns(numbers)) => numbers.iter().filter_map(|number| number.parse().ok()).collect(),
        Some(_) | None => std::collections::BTreeSet::new(),
    };
    let mut found = serde_json::Map::new();
    for (name, value) in item.inner() {
        if let (Some(name), N(count)) = (name.strip_prefix(FOUND), value) {
            found.insert(name.to_owned(), count.parse::<u64>().map_err(|_| unreadable())?.into());
        }
    }
    let row: HeadItem = from_item(item)?;
    let (_, id) = keys::split_job_partition(&row.pk).ok_or_else(unreadable)?;
    let plan: Option<Plan> =
        row.plan.map(|json| serde_json::from_str(&json)).transpose().map_err(|_| unreadable())?;
    let problem: Option<Option<Problem>> =
        row.problem.map(|json| serde_json::from_str(&json)).transpose().map_err(|_| unreadable())?;
    let file = row.file.map(|json| serde_json::from_str(&json)).transpose().map_err(|_| unreadable())?;
    let cancelled = match (row.cancelled_at, row.cancelled_by) {
        (Some(cancelled_at), Some(by)) => Some(Stamp { at: at(&cancelled_at)?, by }),
        (_, _) => None,
    };
    Ok(Job {
        id,
        kind: row.kind,
        state: row.status.parse().map_err(|_| unreadable())?,
        is_dry_run: row.dry_run,
        of: row.of,
        max_failures: row.max_failures,
        plan,
        lanes: [row.l0, row.l1, row.l2, row.l3, row.l4, row.l5, row.l6, row.l7],
        stuck,
        stuck_items: row.stuck_items,
        counts: Counts {
            changed: row.n_changed,
            unchanged: row.n_unchanged,
            refused: row.n_refused,
            conflict: row.n_conflict,
            missing: row.n_missing,
            error: row.n_error,
            skipped: row.n_skipped,
        },
        cancelled,
        problem: problem.flatten(),
        result: (!found.is_empty()).then(|| found.into()),
        file,
        rev: row.rev,
        created: Stamp { at: at(&row.created_at)?, by: row.created_by },
        updated: Stamp { at: at(&row.updated_at)?, by: row.updated_by },
        started_at: row.started_at.as_deref().map(at).transpose()?,
        ended_at: row.ended_at.as_deref().map(at).transpose()?,
    })
}

/// Whether a stream's image is a job's head.
pub fn is_image(image: &serde_dynamo::Item) -> bool {
    matches!(image.get("entity"), Some(serde_dynamo::AttributeValue::S(entity)) if entity == ENTITY)
}

/// What a stream's image says, if it is a job's head.
///
/// # Errors
/// [`Error::Internal`] for one that can't be read.
pub fn read_image(image: serde_dynamo::Item) -> Result<Option<(TenantId, Job)>> {
    use serde_dynamo::AttributeValue::S;

    if !is_image(&image) {
        return Ok(None);
    }
    let tenant = match image.get(keys::PK) {
        Some(S(key)) => keys::split_job_partition(key).map(|(tenant, _)| tenant),
        Some(_) | None => None,
    };
    let tenant = tenant.ok_or_else(|| Error::internal("an image has no job's key"))?;
    Ok(Some((tenant, parse(image)?)))
}

/// A page of a tenant's jobs, newest first. `after` is the sort key of the row that the page before ended with.
///
/// # Errors
/// [`Error::InvalidCursor`] for an `after` that is no sort key.
pub async fn list(
    store: &Store,
    tenant: &TenantId,
    after: Option<&str>,
    limit: u32,
    now: Timestamp,
) -> Result<Page<Job>> {
    let partition = keys::jobs_by_creation(tenant);
    let start = after
        .map(|sort_key| {
            let (_, id) = keys::split_job_by_creation(sort_key).ok_or(Error::InvalidCursor)?;
            let mut key = keys::job_head(tenant, &id).to_item();
            key.insert(keys::GSI1_PK.to_owned(), text(&partition));
            key.insert(keys::GSI1_SK.to_owned(), text(sort_key));
            Ok::<Item, Error>(key)
        })
        .transpose()?;
    let output = store
        .client
        .query()
        .table_name(&store.table)
        .index_name(keys::GSI1)
        .key_condition_expression("GSI1PK = :list")
        .expression_attribute_values(":list", text(&partition))
        .scan_index_forward(false)
        .limit(i32::try_from(limit).unwrap_or(i32::MAX))
        .set_exclusive_start_key(start)
        .send()
        .await?;
    let place = |item: &Item| item.get(keys::GSI1_SK).and_then(|key| key.as_s().ok()).cloned();
    let next_cursor = output.last_evaluated_key.as_ref().and_then(place);
    let places: Vec<String> = output.items.unwrap_or_default().iter().filter_map(place).collect();
    let ids: Vec<JobId> =
        places.iter().filter_map(|place| keys::split_job_by_creation(place).map(|(_, id)| id)).collect();
    if ids.is_empty() {
        return Ok(Page { items: Vec::new(), next_cursor });
    }
    let mut request = KeysAndAttributes::builder();
    for id in &ids {
        request = request.keys(keys::job_head(tenant, id).to_item());
    }
    let mut found = Vec::new();
    for item in store.get_all(built(request.build())?).await? {
        if expires_at(&item).is_none_or(|expires_at| expires_at > now.as_second()) {
            found.push(parse(item)?);
        }
    }
    found.sort_by_key(|job| ids.iter().position(|id| *id == job.id));
    Ok(Page { items: found, next_cursor })
}
