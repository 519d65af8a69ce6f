//! What clients write to import agents, and what of a file becomes an item of a job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use validator::Validate;

use super::{ItemSelection, Spec, Taken, What};
use crate::agent::{id_of_key, read_bounded};
use crate::error::{Error, Result};
use crate::id::{AgentId, AgentKey, JobId, TemplateId, TenantId, UploadId};
use crate::import::{Beside, Fidelity, Format, Imported, ImportedTemplate, ImportedVersion};
use crate::violation::Violation;

/// A default model's greatest length in characters.
const MODEL_MAX: u64 = 256;
/// The greatest file that may be uploaded, in bytes: 64 MiB.
pub const UPLOAD_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How long an upload may be begun, in seconds.
pub const UPLOAD_FORM_AGE_S: i64 = 15 * 60;

/// What becomes of an agent that is there already: one with the `key`, or one that the same import made before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// The item fails.
    #[default]
    Fail,
    /// Its draft becomes what the file says. Its versions stay as they are.
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
    /// The file: as JSON, or as a text (which may have a record a line). Either this or `upload_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Value>,
    /// A file that was uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upload_id: Option<UploadId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_conflict: Option<OnConflict>,
    /// `provider/id`, for agents whose file names no model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 3, max = "MODEL_MAX"))]
    pub default_model: Option<String>,
    /// Whether agents that are made get the versions that the file has of them, under their numbers, and the aliases
    /// that lead to them. Needs the scope `agents:publish`, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    versions: Option<bool>,
    /// Whether the templates of the file are imported, before its agents. Needs the scope `templates:write`, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    templates: Option<bool>,
    /// Find out what would become of each agent, and change nothing. The job's file says where each leaf went.
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
    /// As of an import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<bool>,
    /// As of an import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<bool>,
}

/// What a file would become.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ImportPreview {
    pub templates: Vec<PreviewedTemplate>,
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
    /// What comes with it.
    #[serde(flatten)]
    pub beside: Beside,
    /// What keeps it from being made.
    pub violations: Vec<Violation>,
}

/// A template that a file would become.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PreviewedTemplate {
    /// Its id in the file.
    pub source_id: Option<String>,
    /// What `POST /v1/templates` takes.
    pub document: Value,
    pub versions: Vec<ImportedVersion>,
    /// What keeps it from being made.
    pub violations: Vec<Violation>,
}

/// Where to send a file that is to be imported.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UploadView {
    /// What `POST /v1/imports` names.
    pub id: String,
    /// Where to post the file as `multipart/form-data`: first these fields, then the file as `file`.
    pub url: String,
    pub fields: std::collections::BTreeMap<String, String>,
    /// The greatest file that is taken.
    pub max_bytes: u64,
    /// Until when it has to be sent. The file itself is kept for a day.
    pub expires_at: String,
}

impl ImportDocument {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(document: Value) -> Result<Spec> {
        let said: Self = read_bounded(document)?;
        let on_conflict = said.on_conflict.unwrap_or_default();
        let (format, default_model) = (said.format, said.default_model);
        let taken = taken(said.versions, said.templates);
        let items = match (said.content, said.upload_id) {
            (Some(content), None) => ItemSelection::Content(content),
            (None, Some(upload)) => ItemSelection::Upload(upload),
            (None, None) => {
                let detail = "must be the file, or upload_id must name one";
                return Err(Error::Invalid(vec![Violation::new("/content", "required", detail)]));
            }
            (Some(_), Some(_)) => {
                let detail = "is one file too many beside content";
                return Err(Error::Invalid(vec![Violation::new("/upload_id", "one_of", detail)]));
            }
        };
        Ok(Spec {
            what: What::Import { format, on_conflict, default_model, taken },
            items,
            dry_run: said.dry_run.unwrap_or_default(),
            max_failures: said.max_failures,
            wave_size: None,
        })
    }
}

impl ImportPreviewDocument {
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(document: Value) -> Result<Self> {
        read_bounded(document)
    }

    pub fn taken(&self) -> Taken {
        taken(self.versions, self.templates)
    }
}

fn taken(versions: Option<bool>, templates: Option<bool>) -> Taken {
    Taken { versions: versions.unwrap_or_default(), templates: templates.unwrap_or_default() }
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
    /// What comes with it.
    #[serde(default, skip_serializing_if = "Beside::is_empty")]
    pub with: Beside,
}

/// A template of a file, as a chunk keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateRecord {
    /// The template that it is in this tenant, if it comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<TemplateId>,
    /// The one that is made if it is not there.
    pub made: TemplateId,
    /// The one that is made beside it where it is to be renamed.
    pub beside: TemplateId,
    pub document: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<ImportedVersion>,
}

/// The template that an import makes of the one with this id in its source.
pub fn template_made_of(tenant: &TenantId, source: &str) -> TemplateId {
    TemplateId::derived(&[tenant.as_str(), "import", "template", source])
}

impl TemplateRecord {
    /// A template of a file, the one with this index.
    pub fn new(tenant: &TenantId, job: &JobId, index: usize, imported: ImportedTemplate) -> Self {
        let ImportedTemplate { source_id, document, versions } = imported;
        let index = index.to_string();
        let of_job = |what| TemplateId::derived(&[tenant.as_str(), "import", what, job.as_str(), &index]);
        Self {
            own: source_id.as_deref().and_then(|id| id.parse().ok()),
            made: source_id.map_or_else(|| of_job("job"), |source| template_made_of(tenant, &source)),
            beside: of_job("beside"),
            document,
            versions,
        }
    }
}

/// The agent that is made of one of a file, if it has a `key` or an id in its source.
pub fn agent_made_of(
    tenant: &TenantId,
    format: Format,
    key: Option<&AgentKey>,
    source_id: Option<&str>,
) -> Option<AgentId> {
    match (key, source_id) {
        (Some(key), _) => Some(id_of_key(tenant, key)),
        (None, Some(source)) => {
            Some(AgentId::derived(&[tenant.as_str(), "import", format.as_str(), "source", source]))
        }
        (None, None) => None,
    }
}

/// The `key` that a document gives, if it is one.
pub fn key_of(document: &Value) -> Option<AgentKey> {
    document.get("key").and_then(Value::as_str).and_then(|key| key.parse().ok())
}

impl Record {
    /// An agent of a file, the one with this index. What has no name of its own is told apart by its job.
    pub fn new(tenant: &TenantId, job: &JobId, format: Format, index: usize, imported: Imported) -> Self {
        let Imported { source_id, document, beside: with } = imported;
        let key = key_of(&document);
        let index = index.to_string();
        let of_job = |what| {
            AgentId::derived(&[tenant.as_str(), "import", format.as_str(), what, job.as_str(), &index])
        };
        let made = agent_made_of(tenant, format, key.as_ref(), source_id.as_deref());
        let made = made.unwrap_or_else(|| of_job("job"));
        // An agent of this tenant that comes back is itself.
        let own = source_id.as_deref().filter(|_| format == Format::AgentManagement && key.is_none());
        let mut targets: Vec<AgentId> = own.and_then(|id| id.parse().ok()).into_iter().collect();
        targets.retain(|own| *own != made);
        targets.push(made);
        Self { targets, beside: of_job("beside"), document, with }
    }

    /// The agent that is made if there is none.
    pub fn made(&self) -> &AgentId {
        self.targets.last().unwrap_or(&self.beside)
    }
}
