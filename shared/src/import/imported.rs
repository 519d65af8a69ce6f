//! What a file has of an agent beside its document, and what it has of templates.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What comes with an agent's document, of this service's own files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Beside {
    /// By number; each number once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<ImportedVersion>,
    /// By name: what `PUT` of an alias takes; not judged yet, but that its routes lead to these versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, Value>,
    /// What the agent has under `template`: `id`, `version`, `variables` and a `name` if it was given one.
    /// Whether there is such a template is not judged yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Value>,
}

/// A version of an agent or a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImportedVersion {
    /// From 1.
    pub version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// When it was published, as the file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<String>,
    /// Who published it, as the file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_by: Option<String>,
    /// What `POST /v1/agents` takes, without `key`, or `POST /v1/templates`; not judged yet.
    pub document: Value,
}

/// A template of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImportedTemplate {
    /// The template's id in its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// What `POST /v1/templates` takes; not judged yet.
    pub document: Value,
    /// By number; each number once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<ImportedVersion>,
}

impl Beside {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
