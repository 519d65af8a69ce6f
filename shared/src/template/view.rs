//! The public JSON of templates: the resource, its versions, and the summaries that lists give.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::public::PublicTemplate;
use super::variable::Variable;
use super::{Template, TemplateContent, TemplateVersion, Visibility};
use crate::clock::rfc3339;

/// How much of a description a list shows, in characters.
pub(super) const DESCRIPTION_SHOWN_MAX: usize = 200;

/// A template as `GET /v1/templates/{id}` answers it: its draft, or of a public one its latest version.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Template")]
pub struct TemplateView<'a> {
    pub id: &'a str,
    pub visibility: Visibility,
    pub name: &'a str,
    pub description: Option<&'a str>,
    pub tags: &'a [String],
    pub variables: &'a [Variable],
    /// An agent's document with placeholders.
    pub agent: &'a Map<String, Value>,
    /// Values of a worked example.
    pub example: &'a Map<String, Value>,
    pub rev: u64,
    pub published_version: Option<u64>,
    /// Whether the draft is another than the version that was published last.
    pub unpublished_changes: bool,
    pub created_at: String,
    pub created_by: &'a str,
    pub updated_at: String,
    pub updated_by: &'a str,
}

impl<'a> TemplateView<'a> {
    pub fn private(template: &'a Template) -> Self {
        Self {
            created_at: rfc3339(template.created.at),
            created_by: template.created.by.as_str(),
            updated_at: rfc3339(template.updated.at),
            updated_by: template.updated.by.as_str(),
            published_version: template.published_version(),
            unpublished_changes: template.published_as().is_none(),
            ..Self::of(template.id.as_str(), Visibility::Private, &template.content, template.rev)
        }
    }

    pub fn public(template: &'a PublicTemplate) -> Self {
        let latest = template.latest();
        Self {
            created_at: rfc3339(template.created().at),
            created_by: template.created().by.as_str(),
            updated_at: rfc3339(latest.published.at),
            updated_by: latest.published.by.as_str(),
            published_version: Some(latest.number),
            ..Self::of(template.id.as_str(), Visibility::Public, &latest.content, latest.number)
        }
    }

    fn of(id: &'a str, visibility: Visibility, content: &'a TemplateContent, rev: u64) -> Self {
        Self {
            id,
            visibility,
            name: &content.name,
            description: content.description.as_deref(),
            tags: &content.tags,
            variables: &content.variables,
            agent: &content.agent,
            example: &content.example,
            rev,
            published_version: None,
            unpublished_changes: false,
            created_at: String::new(),
            created_by: "",
            updated_at: String::new(),
            updated_by: "",
        }
    }
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TemplateSummary {
    pub id: String,
    pub visibility: Visibility,
    pub name: String,
    /// The first 200 characters.
    pub description: Option<String>,
    pub tags: Vec<String>,
    /// How many variables it has.
    pub variables: usize,
    pub rev: u64,
    pub published_version: Option<u64>,
    pub created_at: String,
    pub updated_at: String,
}

impl From<&PublicTemplate> for TemplateSummary {
    fn from(template: &PublicTemplate) -> Self {
        let latest = template.latest();
        let content = &latest.content;
        Self {
            id: template.id.to_string(),
            visibility: Visibility::Public,
            name: content.name.clone(),
            description: shown(content.description.as_deref()),
            tags: content.tags.clone(),
            variables: content.variables.len(),
            rev: latest.number,
            published_version: Some(latest.number),
            created_at: rfc3339(template.created().at),
            updated_at: rfc3339(latest.published.at),
        }
    }
}

/// As much of a description as a list shows.
pub(super) fn shown(description: Option<&str>) -> Option<String> {
    description.map(|text| text.chars().take(DESCRIPTION_SHOWN_MAX).collect())
}

/// A version of a template.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TemplateVersion")]
pub struct TemplateVersionView<'a> {
    pub template_id: &'a str,
    pub version: u64,
    pub title: Option<&'a str>,
    pub notes: Option<&'a str>,
    pub published_at: String,
    pub published_by: &'a str,
    pub name: &'a str,
    pub description: Option<&'a str>,
    pub tags: &'a [String],
    pub variables: &'a [Variable],
    pub agent: &'a Map<String, Value>,
    pub example: &'a Map<String, Value>,
}

impl<'a> From<&'a TemplateVersion> for TemplateVersionView<'a> {
    fn from(version: &'a TemplateVersion) -> Self {
        let content = &version.content;
        Self {
            template_id: version.template.as_str(),
            version: version.number,
            title: version.release.title.as_deref(),
            notes: version.release.notes.as_deref(),
            published_at: rfc3339(version.published.at),
            published_by: version.published.by.as_str(),
            name: &content.name,
            description: content.description.as_deref(),
            tags: &content.tags,
            variables: &content.variables,
            agent: &content.agent,
            example: &content.example,
        }
    }
}

/// A row of the list of versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateVersionSummary {
    pub version: u64,
    pub title: Option<String>,
    pub notes: Option<String>,
    pub published_at: String,
    pub published_by: String,
}

impl From<&TemplateVersion> for TemplateVersionSummary {
    fn from(version: &TemplateVersion) -> Self {
        Self {
            version: version.number,
            title: version.release.title.clone(),
            notes: version.release.notes.clone(),
            published_at: rfc3339(version.published.at),
            published_by: version.published.by.to_string(),
        }
    }
}

/// What a publication of a template did.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TemplatePublication<'a> {
    /// Whether the draft was another than the last version's content, so that there is a new one.
    pub minted: bool,
    pub version: TemplateVersionView<'a>,
}
