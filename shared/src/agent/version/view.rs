//! The public JSON of versions, and of what a publication did.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::agent::alias::AliasView;
use crate::agent::config::{Config, ModelRef};
use crate::approval::ApprovalView;
use crate::clock::rfc3339;

/// A version as `GET /v1/agents/{id}/versions/{number}` answers it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Version")]
pub struct VersionView<'a> {
    pub agent_id: &'a str,
    /// The `rev` of the draft that it was taken from.
    pub version: u64,
    pub title: Option<&'a str>,
    pub notes: Option<&'a str>,
    pub published_at: String,
    pub published_by: &'a str,
    /// The version that was published before.
    pub previous: Option<u64>,
    /// SHA-256 of the configuration, in hexadecimal.
    pub config_hash: String,
    pub pins: Pins<'a>,
    pub name: &'a str,
    pub description: Option<&'a str>,
    pub tags: &'a [String],
    pub metadata: &'a BTreeMap<String, String>,
    pub config: &'a Config,
}

/// What the version uses, as it was when it was published.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Pins<'a> {
    pub tools: Vec<ToolPin<'a>>,
}

/// A tool as the draft named it. Without a version, whatever the registry has is used.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ToolPin<'a> {
    pub tool_id: &'a str,
    pub version: Option<&'a str>,
    pub schema_hash: Option<&'a str>,
}

impl<'a> From<&'a Version> for VersionView<'a> {
    fn from(version: &'a Version) -> Self {
        let content = &version.content;
        let tools = content.config.tools.iter().map(|tool| ToolPin {
            tool_id: &tool.tool_id,
            version: tool.version.as_deref(),
            schema_hash: tool.schema_hash.as_deref(),
        });
        Self {
            agent_id: version.agent.as_str(),
            version: version.number,
            title: version.release.title.as_deref(),
            notes: version.release.notes.as_deref(),
            published_at: rfc3339(version.published.at),
            published_by: version.published.by.as_str(),
            previous: version.previous,
            config_hash: content.config.hash(),
            pins: Pins { tools: tools.collect() },
            name: &content.name,
            description: content.description.as_deref(),
            tags: &content.tags,
            metadata: &content.metadata,
            config: &content.config,
        }
    }
}

/// A row of the list of versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VersionSummary {
    pub version: u64,
    pub title: Option<String>,
    pub notes: Option<String>,
    pub published_at: String,
    pub published_by: String,
    pub model: ModelRef,
    pub config_hash: String,
    /// The aliases that lead to it.
    pub aliases: Vec<String>,
}

/// What a publication did.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Publication<'a> {
    /// Whether the draft was another than the last version's content, so that there is a new one.
    pub minted: bool,
    pub version: VersionView<'a>,
    /// What `live` leads to now.
    pub live: Option<AliasView<'a>>,
    /// What is asked of another user before `live` leads to the version.
    pub approval: Option<ApprovalView<'a>>,
}
