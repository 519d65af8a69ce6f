//! Public templates: the service's own, from a file in the program. They are the same for every tenant, they
//! cost no read, and a deployment changes all of them at once. A version that was published is in the file
//! for good, since agents that were made from it are compared with it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{TemplateContent, TemplateVersion};
use crate::agent::Stamp;
use crate::agent::version::Release;
use crate::error::Error;
use crate::id::{TemplateId, UserId};
use crate::violation::Violation;

const TEMPLATES: &str = include_str!("../../../infra/seeds/templates.json");
/// Who publishes them.
const PUBLISHER: &str = "service";

/// A public template: its versions, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicTemplate {
    pub id: TemplateId,
    /// The service's own name for it.
    pub key: String,
    pub versions: Vec<TemplateVersion>,
}

impl PublicTemplate {
    /// The version that was published last.
    pub fn latest(&self) -> &TemplateVersion {
        self.versions.last().expect("a public template has a version")
    }

    pub fn version(&self, number: u64) -> Option<&TemplateVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    pub fn created(&self) -> &Stamp {
        &self.versions.first().expect("a public template has a version").published
    }
}

/// Every public template, in the file's order.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicTemplates(Vec<PublicTemplate>);

/// The file of public templates can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadTemplates {
    #[error("not the expected JSON")]
    Json(#[from] serde_json::Error),
    #[error("template {0} is named twice, or has no versions that count up from 1")]
    Numbers(String),
    #[error("template {key}, version {version}: {violations:?}")]
    Content { key: String, version: u64, violations: Vec<Violation> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    templates: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    versions: Vec<VersionEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionEntry {
    version: u64,
    published_on: Date,
    notes: String,
    content: TemplateContent,
}

impl PublicTemplates {
    /// Those that are built in.
    ///
    /// # Errors
    /// As [`PublicTemplates::parse`].
    pub fn embedded() -> Result<Self, BadTemplates> {
        Self::parse(TEMPLATES)
    }

    /// Reads a file of public templates. What a version says is for [`PublicTemplates::check`].
    ///
    /// # Errors
    /// [`BadTemplates`] unless every version is of a template's shape, and they count up from 1.
    pub fn parse(file: &str) -> Result<Self, BadTemplates> {
        let File { templates } = serde_json::from_str(file)?;
        let mut keys = BTreeSet::new();
        let mut all = Vec::new();
        for entry in templates {
            let counts_up = (1..).zip(&entry.versions).all(|(number, version)| version.version == number);
            if entry.versions.is_empty() || !counts_up || !keys.insert(entry.key.clone()) {
                return Err(BadTemplates::Numbers(entry.key));
            }
            let id = TemplateId::derived(&["public", &entry.key]);
            let versions = entry.versions.into_iter().map(|version| read(&id, version)).collect();
            all.push(PublicTemplate { versions, id, key: entry.key });
        }
        Ok(Self(all))
    }

    /// Checks every version as one of a tenant's is before it is published. A test does, so that no start has to.
    ///
    /// # Errors
    /// [`BadTemplates::Content`] for the first that could not be.
    pub fn check(&self) -> Result<(), BadTemplates> {
        for template in &self.0 {
            for version in &template.versions {
                let document = serde_json::to_value(&version.content)?;
                let checked =
                    TemplateContent::read(document).and_then(|content| content.refuse_unpublishable());
                if let Err(error) = checked {
                    let violations =
                        if let Error::Invalid(violations) = error { violations } else { Vec::new() };
                    let (key, version) = (template.key.clone(), version.number);
                    return Err(BadTemplates::Content { key, version, violations });
                }
            }
        }
        Ok(())
    }

    pub fn all(&self) -> &[PublicTemplate] {
        &self.0
    }

    pub fn get(&self, id: &TemplateId) -> Option<&PublicTemplate> {
        self.0.iter().find(|template| template.id == *id)
    }
}

fn read(id: &TemplateId, entry: VersionEntry) -> TemplateVersion {
    let midnight = entry.published_on.to_zoned(TimeZone::UTC).map(|at| at.timestamp());
    let by: UserId = PUBLISHER.parse().expect("a name of a user");
    TemplateVersion {
        template: id.clone(),
        number: entry.version,
        content: entry.content,
        release: Release { title: None, notes: Some(entry.notes) },
        creation: None,
        published: Stamp { at: midnight.unwrap_or(Timestamp::UNIX_EPOCH), by },
    }
}
