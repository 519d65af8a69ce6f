//! What a job is to do, as it is kept beside its head.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::import::OnConflict;
use super::{Kind, Plan};
use crate::export::Layout;
use crate::id::{AgentId, JobId, TemplateId, UploadId};
use crate::import::Format;
use crate::search::FilterDocument;
use crate::template::merge::Side;

/// How many agents a chunk has of a job that reads their versions.
const WITH_VERSIONS: usize = 20;

/// What of agents goes into a file, or comes from one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Taken {
    /// Versions, and the aliases that lead to them.
    pub versions: bool,
    pub templates: bool,
}

/// What a job does, with what it needs for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Update {
        patch: Value,
    },
    Archive,
    Delete {
        force: bool,
    },
    Upgrade {
        template: TemplateId,
        version: Option<u64>,
        take: Option<Side>,
        variables: Map<String, Value>,
    },
    Import {
        format: Format,
        on_conflict: OnConflict,
        default_model: Option<String>,
        #[serde(flatten)]
        taken: Taken,
    },
    Export {
        format: Layout,
        #[serde(flatten)]
        taken: Taken,
    },
    RebuildIndex,
    Revert,
}

impl What {
    /// Whether it may count agents in or out.
    pub fn moves_counts(&self) -> bool {
        match self {
            Self::Archive | Self::Delete { .. } | Self::Import { .. } | Self::Revert => true,
            Self::Update { .. } | Self::Upgrade { .. } | Self::Export { .. } | Self::RebuildIndex => false,
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Update { .. } => Kind::UpdateAgents,
            Self::Archive => Kind::ArchiveAgents,
            Self::Delete { .. } => Kind::DeleteAgents,
            Self::Upgrade { .. } => Kind::UpgradeTemplate,
            Self::Import { .. } => Kind::ImportAgents,
            Self::Export { .. } => Kind::ExportAgents,
            Self::RebuildIndex => Kind::RebuildIndex,
            Self::Revert => Kind::Revert,
        }
    }
}

/// Where a job's items come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemSelection {
    All,
    Ids(Vec<AgentId>),
    Filter(Box<FilterDocument>),
    /// The agents of a file.
    Content(Value),
    /// The agents of a file that was uploaded.
    Upload(UploadId),
    /// What another job changed.
    ChangedBy(JobId),
    /// What is left to do of another job.
    LeftBy(JobId),
}

/// What a job is to do, as it is kept beside its head. It never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub what: What,
    pub items: ItemSelection,
    pub dry_run: bool,
    pub max_failures: Option<u64>,
    pub wave_size: Option<u64>,
}

impl Spec {
    /// Over everything that there is.
    pub fn of_all(what: What) -> Self {
        Self { what, items: ItemSelection::All, dry_run: false, max_failures: None, wave_size: None }
    }

    /// The job that it follows.
    pub fn of(&self) -> Option<JobId> {
        match &self.items {
            ItemSelection::ChangedBy(job) | ItemSelection::LeftBy(job) => Some(job.clone()),
            ItemSelection::All
            | ItemSelection::Ids(_)
            | ItemSelection::Filter(_)
            | ItemSelection::Content(_)
            | ItemSelection::Upload(_) => None,
        }
    }

    /// What takes the job's changes back.
    pub fn reverting(job: &JobId, dry_run: bool) -> Self {
        Self { items: ItemSelection::ChangedBy(job.clone()), dry_run, ..Self::of_all(What::Revert) }
    }

    /// The same over what is left of the job.
    pub fn retrying(self, job: &JobId) -> Self {
        Self { items: ItemSelection::LeftBy(job.clone()), ..self }
    }

    /// How many items a chunk has, and how many chunks a wave.
    pub fn cut(&self) -> (usize, Option<u32>) {
        match &self.what {
            // Each may have a thousand versions.
            What::Export { taken: Taken { versions: true, .. }, .. } => (WITH_VERSIONS, None),
            _ => Plan::cut(self.wave_size),
        }
    }

    /// How many items the selection names, if it names them.
    pub fn named(&self) -> Option<usize> {
        match &self.items {
            ItemSelection::Ids(ids) => Some(ids.len()),
            _ => None,
        }
    }
}
