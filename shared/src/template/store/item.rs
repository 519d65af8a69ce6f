//! Templates and their versions as items: the one place that knows their attributes.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::agent::version::{Published, Release, Versions};
use crate::agent::{Stamp, Tombstone};
use crate::clock::rfc3339;
use crate::creation::Creation;
use crate::dynamo::{Item, from_item, keys, to_item};
use crate::error::{Error, Result};
use crate::id::{TemplateId, TenantId, UserId};
use crate::template::variable::Variable;
use crate::template::view::shown;
use crate::template::{
    Template, TemplateContent, TemplateHead, TemplateSummary, TemplateVersion, Visibility,
};

const ENTITY: &str = "template";
const VERSION_ENTITY: &str = "template_version";
/// The attribute that has the last version's content in short, and all numbers.
const VERSIONS: &str = "versions";
/// The attribute of a version that has the request that published it.
const CREATION: &str = "creation";
/// How long a tombstone is kept, in seconds: as long as an agent's.
const TOMBSTONE_AGE_S: i64 = 400 * 24 * 3_600;

#[derive(Debug, Serialize, Deserialize)]
struct HeadItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "GSI1PK")]
    gsi1_pk: String,
    #[serde(rename = "GSI1SK")]
    gsi1_sk: String,
    /// What the stream's filter tells items apart by.
    entity: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// JSON: [`Body`].
    body: String,
    /// JSON: [`Brief`].
    brief: String,
    rev: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_version: Option<u64>,
    created_at: String,
    created_by: UserId,
    updated_at: String,
    updated_by: UserId,
}

/// What of a template is JSON of the client's making.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    variables: Vec<Variable>,
    agent: Map<String, Value>,
    example: Map<String, Value>,
}

/// What a row of the list says beyond what every list's has.
#[derive(Debug, Serialize, Deserialize)]
struct Brief {
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(rename = "v", default)]
    variables: usize,
}

/// What a deletion leaves.
#[derive(Debug, Serialize, Deserialize)]
struct TombstoneItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    rev: u64,
    deleted_at: String,
    updated_by: UserId,
    /// Seconds since the epoch.
    ttl: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct VersionItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// JSON: [`Body`].
    body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    published_at: String,
    published_by: UserId,
}

/// A row of the list, as the index has it.
#[derive(Debug, Deserialize)]
struct RowItem {
    #[serde(rename = "GSI1SK")]
    by_creation: String,
    name: String,
    #[serde(default)]
    tags: Vec<String>,
    brief: String,
    rev: u64,
    published_version: Option<u64>,
    updated_at: String,
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| Error::internal("a template has no form as JSON"))
}

fn unreadable() -> Error {
    Error::internal("a stored template cannot be read")
}

fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| unreadable())
}

fn instant(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|_| unreadable())
}

fn body(content: &TemplateContent) -> Result<String> {
    json(&Body {
        variables: content.variables.clone(),
        agent: content.agent.clone(),
        example: content.example.clone(),
    })
}

fn content(
    name: String,
    description: Option<String>,
    tags: Vec<String>,
    body: &str,
) -> Result<TemplateContent> {
    let Body { variables, agent, example } = from_json(body)?;
    Ok(TemplateContent { name, description, tags, variables, agent, example })
}

pub(super) fn head(tenant: &TenantId, template: &Template) -> Result<Item> {
    let key = keys::template_head(tenant, &template.id);
    let content = &template.content;
    let brief =
        Brief { description: shown(content.description.as_deref()), variables: content.variables.len() };
    let mut item = to_item(&HeadItem {
        pk: key.pk,
        sk: key.sk,
        gsi1_pk: keys::templates_by_creation(tenant),
        gsi1_sk: keys::template_by_creation(template.created.at, &template.id),
        entity: ENTITY.to_owned(),
        name: content.name.clone(),
        description: content.description.clone(),
        tags: content.tags.clone(),
        body: body(content)?,
        brief: json(&brief)?,
        rev: template.rev,
        published_version: template.published_version(),
        created_at: rfc3339(template.created.at),
        created_by: template.created.by.clone(),
        updated_at: rfc3339(template.updated.at),
        updated_by: template.updated.by.clone(),
    })?;
    if let Some(published) = template.published {
        let mut bytes = published.content.to_vec();
        bytes.extend(template.versions.to_bytes());
        item.insert(VERSIONS.to_owned(), AttributeValue::B(Blob::new(bytes)));
    }
    Ok(item)
}

pub(super) fn tombstone(tenant: &TenantId, template: &Template, by: &Stamp) -> Result<Item> {
    let key = keys::template_head(tenant, &template.id);
    to_item(&TombstoneItem {
        pk: key.pk,
        sk: key.sk,
        entity: ENTITY.to_owned(),
        rev: template.rev + 1,
        deleted_at: rfc3339(by.at),
        updated_by: by.by.clone(),
        ttl: by.at.as_second() + TOMBSTONE_AGE_S,
    })
}

pub(super) fn parse_head(item: impl Into<serde_dynamo::Item>) -> Result<TemplateHead> {
    let item: serde_dynamo::Item = item.into();
    if item.contains_key("deleted_at") {
        let tombstone: TombstoneItem = from_item(item)?;
        return Ok(TemplateHead::Deleted(Tombstone {
            rev: tombstone.rev,
            at: instant(&tombstone.deleted_at)?,
            by: tombstone.updated_by,
            expires_at: Timestamp::from_second(tombstone.ttl).map_err(|_| unreadable())?,
        }));
    }
    let kept = match item.get(VERSIONS) {
        Some(serde_dynamo::AttributeValue::B(bytes)) => Some(bytes.clone()),
        Some(_) | None => None,
    };
    let row: HeadItem = from_item(item)?;
    let (mut published, mut versions) = (None, Versions::default());
    if let Some(version) = row.published_version {
        let kept = kept.as_deref().and_then(|bytes| bytes.split_at_checked(16)).ok_or_else(unreadable)?;
        let content = kept.0.try_into().map_err(|_| unreadable())?;
        published = Some(Published { version, content });
        versions = Versions::from_bytes(kept.1).ok_or_else(unreadable)?;
    }
    let (_, id) = keys::split_template_partition(&row.pk).ok_or_else(unreadable)?;
    Ok(TemplateHead::Live(Box::new(Template {
        id,
        content: content(row.name, row.description, row.tags, &row.body)?,
        rev: row.rev,
        published,
        versions,
        created: Stamp { at: instant(&row.created_at)?, by: row.created_by },
        updated: Stamp { at: instant(&row.updated_at)?, by: row.updated_by },
    })))
}

pub(super) fn version(tenant: &TenantId, version: &TemplateVersion) -> Result<Item> {
    let key = keys::template_version(tenant, &version.template, version.number);
    let content = &version.content;
    let mut item = to_item(&VersionItem {
        pk: key.pk,
        sk: key.sk,
        entity: VERSION_ENTITY.to_owned(),
        name: content.name.clone(),
        description: content.description.clone(),
        tags: content.tags.clone(),
        body: body(content)?,
        title: version.release.title.clone(),
        notes: version.release.notes.clone(),
        published_at: rfc3339(version.published.at),
        published_by: version.published.by.clone(),
    })?;
    if let Some(creation) = version.creation {
        item.insert(CREATION.to_owned(), AttributeValue::B(Blob::new(creation.to_bytes())));
    }
    Ok(item)
}

pub(super) fn parse_version(id: &TemplateId, item: Item) -> Result<TemplateVersion> {
    let creation = item.get(CREATION).and_then(|bytes| bytes.as_b().ok());
    let creation = creation.and_then(|bytes| Creation::from_bytes(bytes.as_ref()));
    let row: VersionItem = from_item(item)?;
    Ok(TemplateVersion {
        creation,
        template: id.clone(),
        number: keys::split_version(&row.sk).ok_or_else(unreadable)?,
        content: content(row.name, row.description, row.tags, &row.body)?,
        release: Release { title: row.title, notes: row.notes },
        published: Stamp { at: instant(&row.published_at)?, by: row.published_by },
    })
}

pub(super) fn parse_row(item: Item) -> Result<TemplateSummary> {
    let row: RowItem = from_item(item)?;
    let (created_at, id) = keys::split_template_by_creation(&row.by_creation).ok_or_else(unreadable)?;
    let brief: Brief = from_json(&row.brief)?;
    Ok(TemplateSummary {
        id: id.to_string(),
        visibility: Visibility::Private,
        name: row.name,
        description: brief.description,
        tags: row.tags,
        variables: brief.variables,
        rev: row.rev,
        published_version: row.published_version,
        created_at: created_at.to_owned(),
        updated_at: row.updated_at,
    })
}

/// Whether a stream's image is a template's head.
pub fn is_image(image: &serde_dynamo::Item) -> bool {
    matches!(image.get("entity"), Some(serde_dynamo::AttributeValue::S(entity)) if entity == ENTITY)
}

/// What a stream's image of an item says, if it is a template's head.
///
/// # Errors
/// [`Error::Internal`] for a head that can't be read.
pub fn read_image(image: serde_dynamo::Item) -> Result<Option<(TenantId, TemplateId, TemplateHead)>> {
    use serde_dynamo::AttributeValue::S;

    if !is_image(&image) {
        return Ok(None);
    }
    let key = match image.get(keys::PK) {
        Some(S(key)) => keys::split_template_partition(key),
        Some(_) | None => None,
    };
    let (tenant, id) = key.ok_or_else(|| Error::internal("an image has no template's key"))?;
    Ok(Some((tenant, id, parse_head(image)?)))
}
