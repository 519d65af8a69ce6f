//! Templates: agents' documents with places for variables, which are versioned like agents, rendered into
//! agents, and followed by the agents that were made from them. Nothing here is ever evaluated: a variable's
//! value takes its place and is not looked at again. It knows no store, HTTP or clock.

mod content;
mod documents;
pub mod drift;
pub mod merge;
pub mod public;
pub mod render;
pub mod store;
pub mod variable;
mod view;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use content::TemplateContent;
pub use documents::{InstantiateDocument, RenderDocument, RenderingView};
pub use view::{
    TemplatePublication, TemplateSummary, TemplateVersionSummary, TemplateVersionView, TemplateView,
};

use crate::agent::version::{Published, Release, Versions};
use crate::agent::{Stamp, Tombstone};
use crate::creation::Creation;
use crate::error::{Error, Result};
use crate::id::{TemplateId, UserId, digest};
use crate::patch::{self, Patch};
use crate::violation::Violation;

/// The most versions of a template. All of them are kept: agents that were made from one are compared with
/// it as long as they live.
pub const VERSIONS_MAX: usize = 1_000;
/// The greatest number of a version that comes from a file: keys have room for ten times as many.
const NUMBER_MAX: u64 = 99_999_999_999;
/// How many versions are written together with their template, and how many bytes they have: a transaction has 100
/// actions and 4 MB.
const TOGETHER_MAX: usize = 90;
const TOGETHER_MAX_BYTES: usize = 3 * 1024 * 1024;
/// The members that clients write. All others are the service's.
const CONTENT_FIELDS: [&str; 6] = ["name", "description", "tags", "variables", "agent", "example"];

/// The head of a template: its draft, and what else a change bumps `rev` for.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    pub id: TemplateId,
    pub content: TemplateContent,
    /// Counts every change of the head, from 1.
    pub rev: u64,
    /// The version that was published last.
    pub published: Option<Published>,
    pub versions: Versions,
    pub created: Stamp,
    pub updated: Stamp,
}

/// What stands at a template's head: the template, or what is left of it.
#[derive(Debug, Clone, PartialEq)]
pub enum TemplateHead {
    Live(Box<Template>),
    Deleted(Tombstone),
}

impl TemplateHead {
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::Live(template) => Some(template),
            Self::Deleted(_) => None,
        }
    }

    /// What is left of the template, if it is deleted.
    pub fn tombstone(&self) -> Option<&Tombstone> {
        match self {
            Self::Live(_) => None,
            Self::Deleted(tombstone) => Some(tombstone),
        }
    }

    pub fn rev(&self) -> u64 {
        match self {
            Self::Live(template) => template.rev,
            Self::Deleted(tombstone) => tombstone.rev,
        }
    }
}

/// An immutable snapshot of a template's draft. Its number is the `rev` that it was taken from.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateVersion {
    pub template: TemplateId,
    pub number: u64,
    pub content: TemplateContent,
    pub release: Release,
    pub published: Stamp,
    /// The request that published it; none of a public template's.
    pub creation: Option<Creation>,
}

/// Who may see a template, and who writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// The service's own, for every tenant to read.
    Public,
    /// The tenant's.
    Private,
}

/// What an agent remembers of the template that it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AgentTemplate")]
pub struct TemplateLink {
    pub id: TemplateId,
    pub version: u64,
    /// The name that it was given instead of the template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The values that were given; what was left out is the version's default.
    pub variables: Map<String, Value>,
}

impl Template {
    /// A new template at `rev` 1.
    pub fn create(id: TemplateId, content: TemplateContent, creator: UserId, now: Timestamp) -> Self {
        let stamp = Stamp { at: now, by: creator };
        Self {
            id,
            content,
            rev: 1,
            published: None,
            versions: Versions::default(),
            created: stamp.clone(),
            updated: stamp,
        }
    }

    /// The template that a creation brings back under the id of a deleted one: `rev` goes on.
    pub fn revived_after(self, deleted_rev: u64) -> Self {
        Self { rev: deleted_rev + 1, ..self }
    }

    pub fn published_version(&self) -> Option<u64> {
        self.published.map(|published| published.version)
    }

    /// The version that the draft is, if it has not changed since.
    pub fn published_as(&self) -> Option<u64> {
        let published = self.published.filter(|published| published.content == fingerprint(&self.content));
        published.map(|published| published.version)
    }

    fn next(&self, actor: &UserId, now: Timestamp) -> Self {
        Self { rev: self.rev + 1, updated: Stamp { at: now, by: actor.clone() }, ..self.clone() }
    }

    pub fn with_content(&self, content: TemplateContent, actor: &UserId, now: Timestamp) -> Self {
        Self { content, ..self.next(actor, now) }
    }

    /// The template with a version of its draft, and that version.
    ///
    /// # Errors
    /// [`Error::Conflict`] when there are [`VERSIONS_MAX`] versions.
    pub fn publish(
        &self,
        release: Release,
        creation: Creation,
        actor: &UserId,
        now: Timestamp,
    ) -> Result<(Self, TemplateVersion)> {
        if self.versions.newest_first().count() >= VERSIONS_MAX {
            let detail = format!("The template has {VERSIONS_MAX} versions, which is as many as are kept.");
            return Err(Error::Conflict(detail));
        }
        let mut after = self.next(actor, now);
        after.published = Some(Published { version: self.rev, content: fingerprint(&self.content) });
        after.versions = self.versions.and(self.rev, None, &std::collections::BTreeSet::new());
        let version = TemplateVersion {
            template: self.id.clone(),
            number: self.rev,
            content: self.content.clone(),
            release,
            published: after.updated.clone(),
            creation: Some(creation),
        };
        Ok((after, version))
    }
}

impl Template {
    /// A new template with versions that come with it, in the order of their numbers: as many of the newest as are
    /// written at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a number that is none.
    pub fn with_versions(self, versions: &mut Vec<TemplateVersion>) -> Result<Self> {
        let bytes =
            |version: &TemplateVersion| serde_json::to_string(&version.content).map_or(0, |json| json.len());
        let sizes = versions.iter().rev().take(TOGETHER_MAX).map(bytes).scan(0, |sum, size| {
            *sum += size;
            Some(*sum)
        });
        let kept = sizes.take_while(|sum| *sum <= TOGETHER_MAX_BYTES).count();
        versions.drain(..versions.len() - kept);
        let is_number = |version: &TemplateVersion| (1..=NUMBER_MAX).contains(&version.number);
        let Some(last) = versions.last() else {
            return Ok(self);
        };
        if !versions.iter().all(is_number) {
            let violation = Violation::new("/versions", "out_of_range", "has a number that no version has");
            return Err(Error::Invalid(vec![violation]));
        }
        let published = Published { version: last.number, content: fingerprint(&last.content) };
        Ok(Self {
            rev: last.number + 1,
            published: Some(published),
            versions: versions.iter().map(|version| version.number).collect(),
            ..self
        })
    }
}

/// The content that `patch` makes of the template's, if it makes another.
///
/// # Errors
/// As [`patch::written`] and [`TemplateContent::read`].
pub fn patched(template: &Template, patch: &Patch) -> Result<Option<TemplateContent>> {
    let view = serde_json::to_value(TemplateView::private(template))
        .map_err(|_| Error::internal("a template is no JSON"))?;
    let content = TemplateContent::read(patch::written(patch, view, &CONTENT_FIELDS, |_| {})?)?;
    Ok((content != template.content).then_some(content))
}

/// By this two contents are told apart, in as few bytes as a head has room for.
fn fingerprint(content: &TemplateContent) -> [u8; 16] {
    digest(&[&serde_json::to_string(content).expect("content is always JSON")])
}
