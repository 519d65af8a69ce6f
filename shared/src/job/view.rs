//! The public JSON of jobs and their items.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Item, Job, JobFile, KEPT_S, Kind, Outcome, Problem, State};
use crate::clock::rfc3339;

/// A job as `GET /v1/jobs/{job_id}` answers it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub struct JobView<'a> {
    pub id: &'a str,
    pub kind: Kind,
    pub state: State,
    pub dry_run: bool,
    /// Whether it was asked to end.
    pub cancel_requested: bool,
    /// How many items it has; 0 before it is planned. Once it has ended, `done`, `failed`, `skipped` and
    /// `outcomes.stuck` are all of them.
    pub total: u64,
    pub done: u64,
    pub failed: u64,
    pub skipped: u64,
    pub outcomes: OutcomesView,
    /// Why it failed.
    pub problem: Option<&'a Problem>,
    /// The job that it reverts or tries again.
    pub of: Option<&'a str>,
    /// What it found, beside what became of its items.
    pub result: Option<&'a Value>,
    /// What it has written; `GET /v1/jobs/{job_id}/file` says where to fetch it once the job has ended.
    pub file: Option<JobFileSummary<'a>>,
    pub rev: u64,
    pub created_at: String,
    pub created_by: &'a str,
    pub updated_at: String,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    /// When it is forgotten.
    pub expires_at: String,
}

/// How many items came to which outcome.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobOutcomes")]
pub struct OutcomesView {
    pub changed: u64,
    pub unchanged: u64,
    pub refused: u64,
    pub conflict: u64,
    pub missing: u64,
    pub error: u64,
    pub skipped: u64,
    pub stuck: u64,
}

impl<'a> From<&'a Job> for JobView<'a> {
    fn from(job: &'a Job) -> Self {
        let counts = job.counts;
        let expires_at = job.created.at + jiff::SignedDuration::from_secs(KEPT_S);
        Self {
            id: job.id.as_str(),
            kind: job.kind,
            state: job.state,
            dry_run: job.is_dry_run,
            cancel_requested: job.cancelled.is_some(),
            total: job.total(),
            done: counts.done(),
            failed: counts.failed(),
            skipped: counts.skipped,
            outcomes: OutcomesView {
                changed: counts.changed,
                unchanged: counts.unchanged,
                refused: counts.refused,
                conflict: counts.conflict,
                missing: counts.missing,
                error: counts.error,
                skipped: counts.skipped,
                stuck: job.stuck_items,
            },
            problem: job.problem.as_ref(),
            of: job.of.as_ref().map(crate::id::JobId::as_str),
            result: job.result.as_ref(),
            file: job.file.as_ref().map(JobFileSummary::from),
            rev: job.rev,
            created_at: rfc3339(job.created.at),
            created_by: job.created.by.as_str(),
            updated_at: rfc3339(job.updated.at),
            started_at: job.started_at.map(rfc3339),
            ended_at: job.ended_at.map(rfc3339),
            expires_at: rfc3339(expires_at),
        }
    }
}

/// What a job has written.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobFile")]
pub struct JobFileSummary<'a> {
    pub name: &'a str,
    pub bytes: u64,
}

impl<'a> From<&'a JobFile> for JobFileSummary<'a> {
    fn from(file: &'a JobFile) -> Self {
        Self { name: &file.name, bytes: file.bytes }
    }
}

/// Where to fetch what a job has written.
#[derive(Debug, Serialize, JsonSchema)]
pub struct JobFileView<'a> {
    pub name: &'a str,
    pub content_type: &'static str,
    pub bytes: u64,
    /// A URL that answers with the file to whoever has it, until it expires.
    pub url: String,
    pub expires_at: String,
}

/// A row of the list of jobs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct JobSummary {
    pub id: String,
    pub kind: Kind,
    pub state: State,
    pub dry_run: bool,
    pub total: u64,
    pub done: u64,
    pub failed: u64,
    pub skipped: u64,
    pub rev: u64,
    pub created_at: String,
    pub created_by: String,
    pub updated_at: String,
}

impl From<&Job> for JobSummary {
    fn from(job: &Job) -> Self {
        Self {
            id: job.id.to_string(),
            kind: job.kind,
            state: job.state,
            dry_run: job.is_dry_run,
            total: job.total(),
            done: job.counts.done(),
            failed: job.counts.failed(),
            skipped: job.counts.skipped,
            rev: job.rev,
            created_at: rfc3339(job.created.at),
            created_by: job.created.by.to_string(),
            updated_at: rfc3339(job.updated.at),
        }
    }
}

/// An item of a job, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobItem")]
pub struct ItemView {
    /// Grows from item to item; not every number is there.
    pub index: u64,
    /// The agent's id; of the rebuilding of an index also a term's name.
    pub id: String,
    pub outcome: Outcome,
    /// The `rev` that the change led to.
    pub rev: Option<u64>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// What a dry run would change: a JSON Patch (RFC 6902) of the agent.
    pub patch: Option<Value>,
}

impl ItemView {
    pub fn new(index: u64, id: String, item: Item, patch: Option<Value>) -> Self {
        let Item { outcome, rev, problem, made } = item;
        Self { index, id: made.unwrap_or(id), outcome, rev, problem, patch }
    }
}
