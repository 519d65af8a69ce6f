//! What clients write to import agents, and what of a file becomes an item of a job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use validator::Validate;

use super::{ItemSelection, Spec, What};
use crate::agent::{id_of_key, read_bounded};
use crate::error::Result;
use crate::id::{AgentId, AgentKey, JobId, TenantId};
use crate::import::{Fidelity, Format, Imported};
use crate::violation::Violation;

/// A default model's greatest length in characters.
const MODEL_MAX: u64 = 256;

/// What becomes of an agent that is there already: one with the `key`, or one that the same import made before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// The item fails.
    #[default]
    Fail,
    /// Its draft becomes what the file says.
    Overwrite,
    /// Another agent is made beside it, without the `key` and with a name of its own.
    Rename,
    /// It stays as it is.
    Skip,
}

/// An import that is asked for.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportDocument {
    pub format: Format,
    /// The file: as JSON, or as a text (which may have a record a line).
    pub content: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_conflict: Option<OnConflict>,
    /// `provider/id`, for agents whose file names no model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 3, max = "MODEL_MAX"))]
    pub default_model: Option<String>,
    /// Find out what would become of each agent, and change nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    /// More failures than this end the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_failures: Option<u64>,
}

/// A file that is asked about.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportPreviewDocument {
    pub format: Format,
    /// The file: as JSON, or as a text (which may have a record a line).
    pub content: Value,
    /// `provider/id`, for agents whose file names no model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 3, max = "MODEL_MAX"))]
    pub default_model: Option<String>,
}

/// What a file would become.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ImportPreview {
    pub agents: Vec<PreviewedAgent>,
    /// Where each leaf of the file went.
    pub fidelity: Fidelity,
}

/// An agent that a file would become.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PreviewedAgent {
    /// Its id in the file.
    pub source_id: Option<String>,
    /// What `POST /v1/agents` takes.
    pub document: Value,
    /// What keeps it from being made.
    pub violations: Vec<Violation>,
}

impl ImportDocument {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`].
    pub fn read(document: Value) -> Result<Spec> {
        let said: Self = read_bounded(document)?;
        let on_conflict = said.on_conflict.unwrap_or_default();
        let (format, default_model) = (said.format, said.default_model);
        Ok(Spec {
            what: What::Import { format, on_conflict, default_model },
            items: ItemSelection::Content(said.content),
            dry_run: said.dry_run.unwrap_or_default(),
            max_failures: said.max_failures,
            wave_size: None,
        })
    }
}

impl ImportPreviewDocument {
    /// # Errors
    /// [`crate::error::Error::Invalid`].
    pub fn read(document: Value) -> Result<Self> {
        read_bounded(document)
    }
}

/// A file's content as the text that it is.
pub fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An agent of a file, as a chunk keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The agents that it may be already, in the order in which they are looked for; the last one is made if there
    /// is none of them.
    pub targets: Vec<AgentId>,
    /// The one that is made beside it where it is to be renamed.
    pub beside: AgentId,
    pub document: Value,
}

impl Record {
    /// An agent of a file, the one with this index. What has no name of its own is told apart by its job.
    pub fn new(tenant: &TenantId, job: &JobId, format: Format, index: usize, imported: Imported) -> Self {
        let Imported { source_id, document } = imported;
        let key: Option<AgentKey> =
            document.get("key").and_then(Value::as_str).and_then(|key| key.parse().ok());
        let index = index.to_string();
        let derived = |parts: &[&str]| {
            let mut all = vec![tenant.as_str(), "import", format.as_str()];
            all.extend(parts);
            AgentId::derived(&all)
        };
        let made = match (&key, &source_id) {
            (Some(key), _) => id_of_key(tenant, key),
            (None, Some(source)) => derived(&["source", source]),
            (None, None) => derived(&["job", job.as_str(), &index]),
        };
        // An agent of this tenant that comes back is itself.
        let own = source_id.as_deref().filter(|_| format == Format::AgentManagement && key.is_none());
        let mut targets: Vec<AgentId> = own.and_then(|id| id.parse().ok()).into_iter().collect();
        targets.retain(|own| *own != made);
        targets.push(made);
        Self { targets, beside: derived(&["beside", job.as_str(), &index]), document }
    }

    /// The agent that is made if there is none.
    pub fn made(&self) -> &AgentId {
        self.targets.last().unwrap_or(&self.beside)
    }
}
