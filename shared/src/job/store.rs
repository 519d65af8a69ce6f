//! Jobs in the table: a head that every chunk reports to, the specification beside it, and the chunks with what
//! was decided about their items. Each report is one write on condition that it was not made before, so counters
//! equal outcomes however often a message comes.

mod chunk;
mod decisions;
mod head;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use jiff::Timestamp;

use super::{Counts, Job, JobFile, Plan, Problem, Spec, State};
use crate::agent::Stamp;
use crate::clock::rfc3339;
use crate::creation::Creation;
use crate::dynamo::transact::{self, Outcome as Transacted, Patience, is_conflict};
use crate::dynamo::{Item, Store, built, keys, number, text};
use crate::error::{Error, Result};
use crate::id::{JobId, TenantId};

pub use chunk::{Chunk, Filed, Items, get_with_chunk, list_chunks, put_chunks, put_outcomes, retried};
pub use decisions::{Decisions, get_decisions, put_decisions};
pub use head::{is_image, list, read_image};

/// What became of an insertion.
#[derive(Debug)]
pub enum Insertion {
    Done,
    /// There is a job already; the request that made it stands beside it.
    Exists(Box<Job>, Option<Creation>),
}

/// Writes a new job and what it is to do, in one transaction. Idempotent by its id.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub async fn insert(
    store: &Store,
    tenant: &TenantId,
    job: &Job,
    spec: &Spec,
    creation: Creation,
) -> Result<Insertion> {
    let put = |item: Item| {
        let put = Put::builder().table_name(&store.table).set_item(Some(item));
        put.condition_expression("attribute_not_exists(PK)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
    };
    let head = TransactWriteItem::builder().put(built(put(head::item(tenant, job, creation)?))?).build();
    let spec = TransactWriteItem::builder().put(built(put(head::spec_item(tenant, job, spec)?))?).build();
    match transact::write(store, vec![head, spec]).await? {
        Transacted::Written => Ok(Insertion::Done),
        Transacted::Refused(mut refused) => match refused.first_mut().and_then(Option::take) {
            Some(item) => {
                let creation = head::creation(&item);
                Ok(Insertion::Exists(Box::new(head::parse(item)?), creation))
            }
            None => Err(Error::internal("a specification without its job")),
        },
    }
}

/// A job, read consistently.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(store: &Store, tenant: &TenantId, id: &JobId, now: Timestamp) -> Result<Job> {
    let item = store.get(&keys::job_head(tenant, id)).await?.ok_or(Error::NotFound("job"))?;
    // DynamoDB removes what has expired within days.
    if head::expires_at(&item).is_some_and(|expires_at| expires_at <= now.as_second()) {
        return Err(Error::NotFound("job"));
    }
    head::parse(item)
}

/// A job and the request that started it, read consistently.
///
/// # Errors
/// As the database's.
pub async fn get_creation(
    store: &Store,
    tenant: &TenantId,
    id: &JobId,
) -> Result<Option<(Job, Option<Creation>)>> {
    let Some(item) = store.get(&keys::job_head(tenant, id)).await? else {
        return Ok(None);
    };
    let creation = head::creation(&item);
    Ok(Some((head::parse(item)?, creation)))
}

/// What a job is to do.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get_spec(store: &Store, tenant: &TenantId, id: &JobId) -> Result<Spec> {
    let item = store.get(&keys::job_spec(tenant, id)).await?.ok_or(Error::NotFound("job"))?;
    head::parse_spec(item)
}

/// A change of a job's head.
struct Update<'a> {
    set: Vec<(&'a str, AttributeValue)>,
    add: Vec<(&'a str, AttributeValue)>,
    /// Members of sets that go.
    delete: Vec<(&'a str, AttributeValue)>,
    condition: &'a str,
    names: Vec<(&'a str, &'a str)>,
    values: Vec<(&'a str, AttributeValue)>,
    by: Stamp,
}

impl<'a> Update<'a> {
    fn new(condition: &'a str, by: Stamp) -> Self {
        let (set, add, delete) = (Vec::new(), Vec::new(), Vec::new());
        Self { set, add, delete, condition, names: Vec::new(), values: Vec::new(), by }
    }
}

/// What became of a change of a job's head, with the job as it stands now.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    Done(Job),
    /// The condition does not hold: it is done already, or the job has gone another way.
    Refused(Job),
}

impl Written {
    pub fn into_job(self) -> Job {
        match self {
            Self::Done(job) | Self::Refused(job) => job,
        }
    }
}

/// Each part of an expression: `SET`, `ADD`, `DELETE`.
type Part<'a> = (&'static str, &'static str, Vec<(&'a str, AttributeValue)>);

async fn write(store: &Store, tenant: &TenantId, id: &JobId, update: Update<'_>) -> Result<Written> {
    let Update { mut set, mut add, delete, condition, names, values, by } = update;
    set.push(("updated_at", text(rfc3339(by.at))));
    set.push(("updated_by", text(by.by.as_str())));
    add.push(("rev", number(1)));
    let mut request = store
        .client
        .update_item()
        .table_name(&store.table)
        .set_key(Some(keys::job_head(tenant, id).to_item()))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .condition_expression(format!("attribute_exists(PK) AND ({condition})"));
    let parts: [Part<'_>; 3] = [("SET", " = ", set), ("ADD", " ", add), ("DELETE", " ", delete)];
    let mut expression = Vec::new();
    let mut count = 0;
    for (word, between, members) in parts {
        let mut terms = Vec::new();
        for (name, value) in members {
            terms.push(format!("#u{count}{between}:u{count}"));
            request = request
                .expression_attribute_names(format!("#u{count}"), name)
                .expression_attribute_values(format!(":u{count}"), value);
            count += 1;
        }
        if !terms.is_empty() {
            expression.push(format!("{word} {}", terms.join(", ")));
        }
    }
    for (name, attribute) in names {
        request = request.expression_attribute_names(name, attribute);
    }
    for (name, value) in values {
        request = request.expression_attribute_values(name, value);
    }
    let request = request.update_expression(expression.join(" "));
    let mut patience = Patience::begin();
    loop {
        let error = match request.clone().send().await {
            Ok(output) => return head::parse(output.attributes.unwrap_or_default()).map(Written::Done),
            Err(error) => error,
        };
        if let Some(UpdateItemError::ConditionalCheckFailedException(refused)) = error.as_service_error() {
            let item = refused.item().cloned().filter(|item| !item.is_empty());
            return head::parse(item.ok_or(Error::NotFound("job"))?).map(Written::Refused);
        }
        if !is_conflict(&error) {
            return Err(error.into());
        }
        patience.wait().await?;
    }
}

/// A job that is queued is being planned now.
///
/// # Errors
/// As the database's.
pub async fn begin(store: &Store, tenant: &TenantId, id: &JobId, by: Stamp) -> Result<Job> {
    let update = Update {
        set: vec![("status", text(State::Planning.as_str())), ("started_at", text(rfc3339(by.at)))],
        names: vec![("#status", "status")],
        values: vec![(":queued", text(State::Queued.as_str()))],
        ..Update::new("#status = :queued", by)
    };
    write(store, tenant, id, update).await.map(Written::into_job)
}

/// The job runs by this plan, unless it has one. The job as it is then.
///
/// # Errors
/// As the database's.
pub async fn adopt(
    store: &Store,
    tenant: &TenantId,
    id: &JobId,
    plan: &Plan,
    file: Option<&JobFile>,
    by: Stamp,
) -> Result<Job> {
    let plan_json = serde_json::to_string(plan).map_err(|_| Error::internal("a plan is no JSON"))?;
    let update = Update {
        set: [("status", text(State::Running.as_str())), ("plan", text(plan_json))]
            .into_iter()
            .chain(file.map(head::file_attributes).transpose()?.into_iter().flatten())
            .collect(),
        names: vec![("#status", "status"), ("#plan", "plan")],
        values: vec![(":planning", text(State::Planning.as_str()))],
        ..Update::new("#status = :planning AND attribute_not_exists(#plan)", by)
    };
    write(store, tenant, id, update).await.map(Written::into_job)
}

/// Asks a job that has not ended to end.
///
/// # Errors
/// As the database's.
pub async fn cancel(store: &Store, tenant: &TenantId, id: &JobId, by: Stamp) -> Result<Written> {
    let update = Update {
        set: vec![("cancelled_at", text(rfc3339(by.at))), ("cancelled_by", text(by.by.as_str()))],
        names: vec![("#status", "status")],
        values: vec![
            (":queued", text(State::Queued.as_str())),
            (":planning", text(State::Planning.as_str())),
            (":running", text(State::Running.as_str())),
        ],
        ..Update::new("#status IN (:queued, :planning, :running) AND attribute_not_exists(cancelled_at)", by)
    };
    write(store, tenant, id, update).await
}

/// What a chunk reports.
#[derive(Debug, Clone)]
pub struct Report {
    pub chunk: u32,
    pub counts: Counts,
    /// What it found, by name.
    pub findings: Vec<(String, u64)>,
    /// Where the chunk was stuck, how many items it has.
    pub unstuck: Option<u64>,
}

/// Counts what became of a chunk's items, once, and puts the chunk behind its lane. The job as it is then.
///
/// # Errors
/// As the database's.
pub async fn report(store: &Store, tenant: &TenantId, id: &JobId, report: Report, by: Stamp) -> Result<Job> {
    let Report { chunk, counts, findings, unstuck } = report;
    let findings: Vec<(String, u64)> =
        findings.into_iter().map(|(name, count)| (format!("{}{name}", head::FOUND), count)).collect();
    let mut add: Vec<(&str, AttributeValue)> = head::counted(counts);
    add.extend(
        findings.iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.as_str(), number(*count))),
    );
    let lane = head::lane_attribute(chunk);
    let mut update = Update { add, ..Update::new("", by) };
    match unstuck {
        None => {
            update.set = vec![(lane, number(u64::from(chunk)))];
            update.condition = "attribute_not_exists(#lane) OR #lane < :chunk";
            update.names = vec![("#lane", lane)];
            update.values = vec![(":chunk", number(u64::from(chunk)))];
        }
        Some(items) => {
            update.add.push(("stuck_items", AttributeValue::N(format!("-{items}"))));
            update.delete = vec![("stuck", AttributeValue::Ns(vec![chunk.to_string()]))];
            update.condition = "contains(#stuck, :chunk)";
            update.names = vec![("#stuck", "stuck")];
            update.values = vec![(":chunk", number(u64::from(chunk)))];
        }
    }
    write(store, tenant, id, update).await.map(Written::into_job)
}

/// Makes a file the job's, unless it has one that was put together of more chunks.
///
/// # Errors
/// As the database's.
pub async fn put_file(store: &Store, tenant: &TenantId, id: &JobId, file: &JobFile, by: Stamp) -> Result<()> {
    let update = Update {
        set: head::file_attributes(file)?.into(),
        names: vec![("#chunks", head::FILE_CHUNKS)],
        values: vec![(":chunks", number(u64::from(file.chunks)))],
        ..Update::new("attribute_not_exists(#chunks) OR #chunks <= :chunks", by)
    };
    write(store, tenant, id, update).await.map(drop)
}

/// Puts a chunk behind its lane that may never come to its end, so that others go on.
///
/// # Errors
/// As the database's.
pub async fn leave_behind(
    store: &Store,
    tenant: &TenantId,
    id: &JobId,
    (chunk, items): (u32, u64),
    by: Stamp,
) -> Result<Job> {
    let lane = head::lane_attribute(chunk);
    let update = Update {
        set: vec![(lane, number(u64::from(chunk)))],
        add: vec![("stuck", AttributeValue::Ns(vec![chunk.to_string()])), ("stuck_items", number(items))],
        names: vec![("#lane", lane)],
        values: vec![(":chunk", number(u64::from(chunk)))],
        ..Update::new("attribute_not_exists(#lane) OR #lane < :chunk", by)
    };
    write(store, tenant, id, update).await.map(Written::into_job)
}

/// How a job ended.
#[derive(Debug, Clone)]
pub struct Ending {
    pub state: State,
    pub problem: Option<Problem>,
    pub skipped: u64,
}

/// Ends a job that is at `job`; nothing if it went on meanwhile.
///
/// # Errors
/// As the database's.
pub async fn finish(
    store: &Store,
    tenant: &TenantId,
    job: &Job,
    ending: Ending,
    by: Stamp,
) -> Result<Written> {
    let Ending { state, problem, skipped } = ending;
    let problem = serde_json::to_value(problem).map_err(|_| Error::internal("a problem is no JSON"))?;
    let set = vec![
        ("status", text(state.as_str())),
        ("ended_at", text(rfc3339(by.at))),
        ("n_skipped", number(skipped)),
        ("problem", text(problem.to_string())),
    ];
    let update = Update { set, values: vec![(":rev", number(job.rev))], ..Update::new("rev = :rev", by) };
    write(store, tenant, &job.id, update).await
}
