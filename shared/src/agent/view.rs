//! The public JSON of agents: the resource, and the summary that lists give.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::alias::AliasView;
use super::config::{Config, ModelRef};
use super::{Agent, Status};
use crate::clock::rfc3339;
use crate::error::{Error, Result};
use crate::template::TemplateLink;
use crate::tier::Retirement;

/// An agent as `GET /v1/agents/{id}` answers it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Agent")]
pub struct AgentView<'a> {
    pub id: &'a str,
    pub key: Option<&'a str>,
    pub name: &'a str,
    pub description: Option<&'a str>,
    pub status: &'static str,
    pub suspended_reason: Option<&'a str>,
    pub owner: &'a str,
    pub tags: &'a [String],
    pub metadata: &'a BTreeMap<String, String>,
    pub config: &'a Config,
    /// By name. `live` is there once a version was published.
    pub aliases: BTreeMap<&'a str, AliasView<'a>>,
    /// The template that it was made from.
    pub template: Option<&'a TemplateLink>,
    /// That its model retires, and what to use instead.
    pub model_retiring: Option<&'a Retirement>,
    pub rev: u64,
    pub published_version: Option<u64>,
    /// Whether the draft is another than the version that was published last.
    pub unpublished_changes: bool,
    /// SHA-256 of the configuration, in hexadecimal.
    pub config_hash: String,
    pub created_at: String,
    pub created_by: &'a str,
    pub updated_at: String,
    pub updated_by: &'a str,
    pub archived_at: Option<String>,
    pub archived_by: Option<&'a str>,
}

/// The members of an agent, which `fields` may name.
pub const FIELDS: [&str; 23] = [
    "id",
    "key",
    "name",
    "description",
    "status",
    "suspended_reason",
    "owner",
    "tags",
    "metadata",
    "config",
    "aliases",
    "template",
    "model_retiring",
    "rev",
    "published_version",
    "unpublished_changes",
    "config_hash",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "archived_at",
    "archived_by",
];

impl<'a> From<&'a Agent> for AgentView<'a> {
    fn from(agent: &'a Agent) -> Self {
        let (suspended_reason, archived) = match &agent.status {
            Status::Active => (None, None),
            Status::Suspended { reason } => (Some(reason.as_str()), None),
            Status::Archived(stamp) => (None, Some(stamp)),
        };
        let content = &agent.content;
        Self {
            id: agent.id.as_str(),
            key: agent.key.as_ref().map(super::AgentKey::as_str),
            name: &content.name,
            description: content.description.as_deref(),
            status: agent.status.name(),
            suspended_reason,
            owner: agent.owner.as_str(),
            tags: &content.tags,
            metadata: &content.metadata,
            config: &content.config,
            aliases: agent
                .aliases
                .iter()
                .map(|(name, alias)| (name.as_str(), AliasView::new(name, alias)))
                .collect(),
            template: agent.template.as_ref(),
            model_retiring: agent.retiring.as_ref(),
            rev: agent.rev,
            published_version: agent.published_version(),
            unpublished_changes: agent.published_as().is_none(),
            config_hash: content.config.hash(),
            created_at: rfc3339(agent.created.at),
            created_by: agent.created.by.as_str(),
            updated_at: rfc3339(agent.updated.at),
            updated_by: agent.updated.by.as_str(),
            archived_at: archived.map(|stamp| rfc3339(stamp.at)),
            archived_by: archived.map(|stamp| stamp.by.as_str()),
        }
    }
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AgentSummary")]
pub struct Summary {
    pub id: String,
    pub key: Option<String>,
    pub name: String,
    pub status: String,
    pub tags: Vec<String>,
    pub model: ModelRef,
    pub rev: u64,
    pub published_version: Option<u64>,
    pub created_at: String,
    pub updated_at: String,
}

/// The members of a summary, which `fields` may name.
pub const SUMMARY_FIELDS: [&str; 10] =
    ["id", "key", "name", "status", "tags", "model", "rev", "published_version", "created_at", "updated_at"];

/// The members that a client asks for.
#[derive(Debug)]
pub struct Fields<'a> {
    wanted: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    /// Reads a list of names, separated by commas.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a name that is not one of `known`.
    pub fn parse(fields: &'a str, known: &[&str]) -> Result<Self> {
        let wanted: Vec<&str> = fields.split(',').collect();
        match wanted.iter().position(|field| !known.contains(field)) {
            None => Ok(Self { wanted }),
            Some(position) => {
                let detail = format!("its entry {} is not one of {}", position + 1, known.join(", "));
                Err(Error::InvalidParameter { name: "fields", detail })
            }
        }
    }

    /// `view` with these members only.
    ///
    /// # Errors
    /// [`Error::Internal`] if it has no form as JSON.
    pub fn of(&self, view: &impl Serialize) -> Result<Value> {
        let mut document =
            serde_json::to_value(view).map_err(|_| Error::internal("a view has no form as JSON"))?;
        if let Some(members) = document.as_object_mut() {
            members.retain(|name, _| self.wanted.contains(&name.as_str()));
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_fields_are_the_members() {
        let names = |schema: schemars::Schema| -> Vec<String> {
            schema.get("properties").unwrap().as_object().unwrap().keys().cloned().collect()
        };
        let sorted = |fields: &[&str]| {
            let mut fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
            fields.sort();
            fields
        };
        let mut view = names(schemars::schema_for!(AgentView<'static>));
        view.sort();
        assert_eq!(view, sorted(&FIELDS));
        let mut summary = names(schemars::schema_for!(Summary));
        summary.sort();
        assert_eq!(summary, sorted(&SUMMARY_FIELDS));
    }
}
