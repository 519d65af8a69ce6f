//! Jobs: one request that changes, imports or checks many agents in the background. A job is planned into
//! chunks, and chunks run in lanes: in each lane one after the other, so that a job of any size has few messages
//! under way and another tenant's small job does not wait behind it. Nothing here knows the store, a queue or
//! the clock.

mod document;
pub mod import;
pub mod message;
mod outcome;
mod plan;
mod spec;
pub mod store;
mod undo;
mod view;

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use document::{JobDocument, NoSuchOutcome, RevertDocument, read_patch, upgrade_of};
pub use outcome::{Counts, Decision, Item, Outcome, Problem};
pub use plan::{LANES, Next, Plan};
pub use spec::{ItemSelection, Spec, Taken, What};
pub use undo::{StatusBefore, Undo};
pub use view::{ItemView, JobFileSummary, JobFileView, JobSummary, JobView};

use crate::agent::Stamp;
use crate::creation::Request;
use crate::id::{JobId, TenantId, UserId};

/// The most agents of a chunk: as many as the database reads at once.
pub const CHUNK_MAX: usize = 100;
/// The most chunks of a job.
pub const CHUNKS_MAX: u32 = 5_000;
/// How long a job is kept past its creation, in seconds: thirty days.
pub const KEPT_S: i64 = 30 * 24 * 3_600;
/// Why a job failed of which some chunks did not come to their end.
const CHUNKS_STUCK: &str = "chunks_stuck";
/// How often a chunk's message is received before it goes to the dead letters: the queue's `maxReceiveCount`.
pub const RECEPTIONS_MAX: u32 = 5;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "JobKind")]
pub enum Kind {
    UpdateAgents,
    ArchiveAgents,
    DeleteAgents,
    UpgradeTemplate,
    ImportAgents,
    ExportAgents,
    RebuildIndex,
    Revert,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UpdateAgents => "update_agents",
            Self::ArchiveAgents => "archive_agents",
            Self::DeleteAgents => "delete_agents",
            Self::UpgradeTemplate => "upgrade_template",
            Self::ImportAgents => "import_agents",
            Self::ExportAgents => "export_agents",
            Self::RebuildIndex => "rebuild_index",
            Self::Revert => "revert",
        }
    }

    /// Whether what it did can be taken back. A deletion is final.
    pub fn is_revertible(self) -> bool {
        match self {
            Self::UpdateAgents | Self::ArchiveAgents | Self::UpgradeTemplate | Self::Revert => true,
            Self::DeleteAgents | Self::ImportAgents | Self::ExportAgents | Self::RebuildIndex => false,
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "JobState")]
pub enum State {
    Queued,
    /// Its agents are being found.
    Planning,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

/// A file that a job has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFile {
    pub name: String,
    pub bytes: u64,
    /// What it is called among what the job keeps: another for each try at writing it.
    pub object: String,
    /// How many chunks had come to their end when it was put together.
    pub chunks: u32,
}

impl JobFile {
    /// By the name's ending.
    pub fn content_type(&self) -> &'static str {
        if self.name.ends_with(".ndjson") { "application/x-ndjson" } else { "application/json" }
    }
}

/// There is no such state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownState;

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Planning => "planning",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn is_ended(self) -> bool {
        match self {
            Self::Queued | Self::Planning | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        use State::{Cancelled, Failed, Planning, Queued, Running, Succeeded};
        let all = [Queued, Planning, Running, Succeeded, Failed, Cancelled];
        all.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

/// The head of a job: everything but what it is to do with which agents, which is its [`Spec`] and its chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub id: JobId,
    pub kind: Kind,
    pub state: State,
    pub is_dry_run: bool,
    /// The job that this one reverts, or tries again.
    pub of: Option<JobId>,
    /// More failures than this end it.
    pub max_failures: Option<u64>,
    pub plan: Option<Plan>,
    /// For each lane the last chunk that it has left behind; 0 before the first.
    pub lanes: [u32; LANES],
    /// Chunks that could not be brought to their end.
    pub stuck: BTreeSet<u32>,
    /// How many items they have.
    pub stuck_items: u64,
    pub counts: Counts,
    pub cancelled: Option<Stamp>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// JSON: what it found or made beside what became of its items.
    pub result: Option<serde_json::Value>,
    /// What it has written for whoever asked for it.
    pub file: Option<JobFile>,
    /// Counts every change of the head, from 1.
    pub rev: u64,
    pub created: Stamp,
    pub updated: Stamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

impl Job {
    /// A new job, not yet planned.
    pub fn new(id: JobId, spec: &Spec, by: &UserId, now: Timestamp) -> Self {
        let stamp = Stamp { at: now, by: by.clone() };
        Self {
            id,
            kind: spec.what.kind(),
            state: State::Queued,
            is_dry_run: spec.dry_run,
            of: spec.of(),
            max_failures: spec.max_failures,
            plan: None,
            lanes: [0; LANES],
            stuck: BTreeSet::new(),
            stuck_items: 0,
            counts: Counts::default(),
            cancelled: None,
            problem: None,
            result: None,
            file: None,
            rev: 1,
            created: stamp.clone(),
            updated: stamp,
            started_at: None,
            ended_at: None,
        }
    }

    /// The id that a request gets: one that its Idempotency-Key always leads to, else a random one.
    pub fn id_for(tenant: &TenantId, caller: &UserId, request: &Request<'_>, now: Timestamp) -> JobId {
        match request.idempotency_key {
            Some(given) => JobId::derived(&[tenant.as_str(), caller.as_str(), request.route, given]),
            None => JobId::generate(now),
        }
    }

    /// How many items it has; 0 before it is planned.
    pub fn total(&self) -> u64 {
        self.plan.as_ref().map_or(0, |plan| plan.total)
    }

    /// Whether it is to do no more than what is under way.
    pub fn is_stopping(&self) -> bool {
        self.cancelled.is_some() || self.has_too_many_failures()
    }

    pub fn has_too_many_failures(&self) -> bool {
        self.max_failures.is_some_and(|max| self.counts.failed() > max)
    }

    /// Whether it has failed for chunks that were stuck, and none is any more.
    pub fn is_mended(&self) -> bool {
        let was_stuck = self.problem.as_ref().is_some_and(|problem| problem.code == CHUNKS_STUCK);
        self.state == State::Failed && self.stuck.is_empty() && was_stuck
    }

    /// How many further items may fail; none if any number may.
    pub fn failures_left(&self) -> Option<u64> {
        self.max_failures.map(|max| max.saturating_sub(self.counts.failed()))
    }

    /// How it ends, once its last chunk is behind it, and why it failed if it did.
    pub fn ending(&self) -> (State, Option<Problem>) {
        if self.cancelled.is_some() {
            return (State::Cancelled, None);
        }
        if let Some(max) = self.max_failures.filter(|_| self.has_too_many_failures()) {
            let detail = format!("More than {max} items failed.");
            return (State::Failed, Some(Problem::new("too_many_failures", detail)));
        }
        if !self.stuck.is_empty() {
            let without_items = "What it was to write could not be written; the message that asks for it waits among \
                                 the dead letters.";
            let detail = if self.stuck_items == 0 {
                without_items.to_owned()
            } else {
                format!(
                    "{} items are in chunks that could not be brought to their end; their messages wait among the \
                 dead letters.",
                    self.stuck_items
                )
            };
            return (State::Failed, Some(Problem::new(CHUNKS_STUCK, detail)));
        }
        (State::Succeeded, None)
    }
}
