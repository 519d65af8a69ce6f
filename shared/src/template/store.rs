//! Templates in the table. A head is one item, and every write of it states its condition. A publication is
//! one transaction of the snapshot and the head, so whatever snapshot lies in the table is a version.

mod item;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use jiff::Timestamp;

use super::{Template, TemplateHead, TemplateSummary, TemplateVersion, TemplateVersionSummary};
use crate::agent::{Stamp, Tombstone};
use crate::creation::{Creation, Repetition};
use crate::dynamo::head::{self as heads, Inserted, Memory, Move, Moved, OPERATIONS_MAX, Operation};
use crate::dynamo::{Item, Store, bounded_query, built, keys, text};
use crate::error::{Error, Result};
use crate::id::{TemplateId, TenantId, UserId};
use crate::page::Page;
use crate::tenant::{self, Assumed, Counted, Tenant};

pub use item::{is_image, read_image};

/// What became of an insertion.
#[derive(Debug)]
pub enum Insertion {
    Done,
    /// There is a head already; the request that made it stands beside it.
    Exists(TemplateHead, Option<Creation>),
    /// The tenant's record does not admit it as it stands.
    Refused(Tenant),
}

/// What became of a change.
#[derive(Debug)]
pub enum Written {
    Done,
    /// This very operation had landed before; the template as it stands now.
    Landed(Box<Template>),
    /// The head has moved on since it was read.
    Stale,
}

/// A template as it was read: what a change is made from and conditional on.
#[derive(Debug, Clone)]
pub struct Stored {
    pub template: Template,
    memory: Memory,
}

impl Stored {
    /// Whether the head remembers the operation: then its effect is part of what was read.
    pub fn remembers(&self, operation: Operation) -> bool {
        self.memory.contains(operation)
    }

    /// Whether the request made the template.
    pub fn was_made_by(&self, creation: Creation) -> bool {
        self.memory.creation == Some(creation)
    }
}

/// Writes a new template with the versions that come with it and counts it, in one transaction. Idempotent by its id.
/// `over` is the `rev` of the tombstone that it replaces, if there is one.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub async fn insert(
    store: &Store,
    tenant: &TenantId,
    template: &Template,
    versions: &[TemplateVersion],
    creation: Creation,
    over: Option<u64>,
    assumed: Assumed<'_>,
) -> Result<Insertion> {
    let count = tenant::store::count(store, tenant, Counted::Templates, assumed, &template.updated)?;
    let mut beside = vec![count];
    for version in versions {
        // Without a condition: the head's admits one writer.
        let put = Put::builder().table_name(&store.table).set_item(Some(item::version(tenant, version)?));
        beside.push(TransactWriteItem::builder().put(built(put.build())?).build());
    }
    match heads::insert(store, item::head(tenant, template)?, creation, over, beside).await? {
        Inserted::Done => Ok(Insertion::Done),
        Inserted::Exists(there) => {
            let creation = Memory::of(&there).creation;
            Ok(Insertion::Exists(item::parse_head(there)?, creation))
        }
        Inserted::OtherRefused(record) => tenant::store::parse(record).map(Insertion::Refused),
    }
}

/// A template that is not deleted, read consistently.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(store: &Store, tenant: &TenantId, id: &TemplateId) -> Result<Stored> {
    let there = store.get(&keys::template_head(tenant, id)).await?.ok_or(Error::NotFound("template"))?;
    let memory = Memory::of(&there);
    match item::parse_head(there)? {
        TemplateHead::Live(template) => Ok(Stored { template: *template, memory }),
        TemplateHead::Deleted(_) => Err(Error::NotFound("template")),
    }
}

/// Whatever stands at a template's head.
#[derive(Debug, Clone)]
pub enum Found {
    Live(Box<Stored>),
    Deleted(Tombstone),
}

/// Whatever stands at a template's head, read consistently.
///
/// # Errors
/// As the database's.
pub async fn find(store: &Store, tenant: &TenantId, id: &TemplateId) -> Result<Option<Found>> {
    let Some(there) = store.get(&keys::template_head(tenant, id)).await? else {
        return Ok(None);
    };
    let memory = Memory::of(&there);
    Ok(Some(match item::parse_head(there)? {
        TemplateHead::Live(template) => Found::Live(Box::new(Stored { template: *template, memory })),
        TemplateHead::Deleted(tombstone) => Found::Deleted(tombstone),
    }))
}

/// Makes `stored` into `after`, which must be one rev on. Idempotent by `operation`.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub async fn update(
    store: &Store,
    tenant: &TenantId,
    stored: &Stored,
    after: &Template,
    operation: Operation,
) -> Result<Written> {
    written(heads::update(store, difference(tenant, stored, after, operation)?).await?)
}

/// The same together with a new version. Idempotent by `operation`.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub async fn publish(
    store: &Store,
    tenant: &TenantId,
    stored: &Stored,
    after: &Template,
    version: &TemplateVersion,
    operation: Operation,
) -> Result<Written> {
    // Without a condition: the head's admits one writer of each number.
    let put = Put::builder().table_name(&store.table).set_item(Some(item::version(tenant, version)?));
    let put = TransactWriteItem::builder().put(built(put.build())?).build();
    written(heads::update_with(store, difference(tenant, stored, after, operation)?, put).await?)
}

/// Makes the template a tombstone one rev on, and counts it out. Idempotent by `operation`.
///
/// # Errors
/// [`Error::Unavailable`] after a second of conflicts.
pub async fn delete(
    store: &Store,
    tenant: &TenantId,
    stored: &Stored,
    operation: Operation,
    actor: &UserId,
    now: Timestamp,
) -> Result<Written> {
    let Stored { template, memory } = stored;
    let by = Stamp { at: now, by: actor.clone() };
    let release = tenant::store::release(store, tenant, Counted::Templates, &by)?;
    let tombstone = item::tombstone(tenant, template, &by)?;
    written(heads::bury(store, tombstone, memory, template.rev, operation, Some(release)).await?)
}

/// A version, read consistently; none where there is none.
///
/// # Errors
/// As the database's.
pub async fn find_version(
    store: &Store,
    tenant: &TenantId,
    id: &TemplateId,
    number: u64,
) -> Result<Option<TemplateVersion>> {
    let there = store.get(&keys::template_version(tenant, id, number)).await?;
    there.map(|there| item::parse_version(id, there)).transpose()
}

/// The version that a request published, among as many of the newest as a head remembers requests.
///
/// # Errors
/// [`Error::IdempotencyKeyReused`] when another request came under its key.
pub async fn published_by(
    store: &Store,
    tenant: &TenantId,
    template: &Template,
    creation: Creation,
) -> Result<Option<TemplateVersion>> {
    for number in template.versions.newest_first().take(OPERATIONS_MAX) {
        let version = find_version(store, tenant, &template.id, number).await?;
        let Some(version) = version else { continue };
        match version.creation.map(|earlier| creation.compare(earlier)) {
            Some(Repetition::Replay) => return Ok(Some(version)),
            Some(Repetition::Reuse) => return Err(Error::IdempotencyKeyReused),
            Some(Repetition::Unrelated) | None => {}
        }
    }
    Ok(None)
}

/// A page of a template's versions, the newest first. `before` is the version that the page before ended
/// with.
///
/// # Errors
/// As the database's.
pub async fn list_versions(
    store: &Store,
    tenant: &TenantId,
    id: &TemplateId,
    before: Option<u64>,
    limit: u32,
) -> Result<Page<TemplateVersionSummary>> {
    let output = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("PK = :template AND begins_with(SK, :versions)")
        .expression_attribute_values(":template", text(keys::template_head(tenant, id).pk))
        .expression_attribute_values(":versions", text(keys::VERSION_PREFIX))
        .scan_index_forward(false)
        .consistent_read(true)
        .limit(i32::try_from(limit).unwrap_or(i32::MAX))
        .set_exclusive_start_key(before.map(|number| keys::template_version(tenant, id, number).to_item()))
        .send()
        .await?;
    let next = output.last_evaluated_key.as_ref().and_then(|key| key.get(keys::SK));
    let next_cursor = next.and_then(|sort_key| keys::split_version(sort_key.as_s().ok()?));
    let items = output.items.unwrap_or_default().into_iter().map(|there| {
        let version = item::parse_version(id, there)?;
        Ok(TemplateVersionSummary::from(&version))
    });
    let items = items.collect::<Result<_>>()?;
    Ok(Page { items, next_cursor: next_cursor.map(|number| number.to_string()) })
}

/// All versions of a template that its head names, the newest first, as long as they have up to `max_bytes` in all.
///
/// # Errors
/// As the database's.
pub async fn versions(
    store: &Store,
    tenant: &TenantId,
    template: &Template,
    max_bytes: usize,
) -> Result<Vec<TemplateVersion>> {
    let query = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("PK = :template AND begins_with(SK, :versions)")
        .expression_attribute_values(":template", text(keys::template_head(tenant, &template.id).pk))
        .expression_attribute_values(":versions", text(keys::VERSION_PREFIX))
        .consistent_read(true)
        .scan_index_forward(false);
    let items = bounded_query(query, max_bytes).await?;
    let versions = items.into_iter().map(|there| item::parse_version(&template.id, there));
    let named = versions.filter(|version| {
        version.as_ref().map_or(true, |version| template.versions.contains(version.number))
    });
    named.collect()
}

/// Removes every version of a template that is deleted. Idempotent: their numbers are never taken again.
///
/// # Errors
/// [`Error::Unavailable`] when the database does not take all of it.
pub async fn delete_versions(store: &Store, tenant: &TenantId, template: &Template) -> Result<()> {
    let numbers = template.versions.newest_first();
    let keys = numbers.map(|number| keys::template_version(tenant, &template.id, number));
    store.delete_all(keys.collect()).await
}

/// A page of the tenant's templates, newest first, read from the index: a moment behind. `after` is the sort
/// key of the row that the page before ended with.
///
/// # Errors
/// [`Error::InvalidCursor`] for an `after` that is no sort key.
pub async fn list(
    store: &Store,
    tenant: &TenantId,
    after: Option<&str>,
    limit: u32,
) -> Result<Page<TemplateSummary>> {
    let partition = keys::templates_by_creation(tenant);
    let start = after.map(|sort_key| start_key(tenant, &partition, sort_key)).transpose()?;
    let output = store
        .client
        .query()
        .table_name(&store.table)
        .index_name(keys::GSI1)
        .key_condition_expression("GSI1PK = :list")
        .expression_attribute_values(":list", text(partition))
        .scan_index_forward(false)
        .limit(i32::try_from(limit).unwrap_or(i32::MAX))
        .set_exclusive_start_key(start)
        .send()
        .await?;
    let next = output.last_evaluated_key.as_ref().and_then(|key| key.get(keys::GSI1_SK));
    let next_cursor = next.and_then(|sort_key| sort_key.as_s().ok()).cloned();
    let items = output.items.unwrap_or_default().into_iter().map(item::parse_row).collect::<Result<_>>()?;
    Ok(Page { items, next_cursor })
}

fn start_key(tenant: &TenantId, partition: &str, sort_key: &str) -> Result<Item> {
    let (_, id) = keys::split_template_by_creation(sort_key).ok_or(Error::InvalidCursor)?;
    let mut key = keys::template_head(tenant, &id).to_item();
    key.insert(keys::GSI1_PK.to_owned(), text(partition));
    key.insert(keys::GSI1_SK.to_owned(), text(sort_key));
    Ok(key)
}

fn difference<'a>(
    tenant: &TenantId,
    stored: &'a Stored,
    after: &Template,
    operation: Operation,
) -> Result<Move<'a>> {
    Ok(Move {
        key: keys::template_head(tenant, &after.id),
        before: item::head(tenant, &stored.template)?,
        after: item::head(tenant, after)?,
        memory: &stored.memory,
        rev: stored.template.rev,
        operation,
    })
}

fn written(moved: Moved) -> Result<Written> {
    Ok(match moved {
        Moved::Done => Written::Done,
        Moved::Stale => Written::Stale,
        Moved::Landed(there) => match item::parse_head(there)? {
            TemplateHead::Live(template) => Written::Landed(template),
            TemplateHead::Deleted(_) => Written::Done,
        },
        // What is beside a template's head has no condition that a client could break.
        Moved::OtherRefused(_) => return Err(Error::internal("a template was not counted")),
    })
}
