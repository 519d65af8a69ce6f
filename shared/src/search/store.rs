//! The index in the table: cards beside their agents' heads, and rows in a partition for each term. Two of
//! the table's indexes order the cards by change and by name. How the index follows the heads is in `index`,
//! how a search reads it in `find`.

mod find;
mod index;
pub mod rebuild;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Card, Dependent, Kind, Row, Sort, SortBy, Term, placed};
use crate::agent::Summary;
use crate::agent::config::ModelRef;
use crate::dynamo::{BATCH_GET_MAX, Item, Store, built, from_item, keys, text, to_item};
use crate::error::{Error, Result};
use crate::id::{AgentId, AgentKey, TemplateId, TenantId};
use crate::page::Page;

pub use find::{Found, Wanted, find};
pub use index::{Seen, index};

const CARD: &str = "card";
const ROW: &str = "row";
/// Whether what stands there is a tombstone.
const GONE: &str = "gone";
/// How long a tombstone is kept, in seconds: past every delivery of an older change that may still come.
const TOMBSTONE_AGE_S: i64 = 48 * 3_600;
#[derive(Debug, Serialize, Deserialize)]
struct CardItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    #[serde(rename = "GSI1PK")]
    gsi1_pk: String,
    #[serde(rename = "GSI1SK")]
    gsi1_sk: String,
    #[serde(rename = "GSI2PK")]
    gsi2_pk: String,
    #[serde(rename = "GSI2SK")]
    gsi2_sk: String,
    entity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<AgentKey>,
    name: String,
    status: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// `provider/id`.
    model: String,
    rev: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_version: Option<u64>,
    created_at: String,
    updated_at: String,
    /// JSON.
    terms: String,
}

/// What is left of a card, or of a row.
#[derive(Debug, Serialize, Deserialize)]
struct Tombstone {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    rev: u64,
    gone: bool,
    /// Seconds since the epoch.
    ttl: i64,
}

#[derive(Debug, Serialize)]
struct RowItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: &'static str,
    rev: u64,
}

fn tombstone(key: keys::Key, entity: &str, rev: u64, now: Timestamp) -> Result<Item> {
    let ttl = now.as_second() + TOMBSTONE_AGE_S;
    to_item(&Tombstone { pk: key.pk, sk: key.sk, entity: entity.to_owned(), rev, gone: true, ttl })
}

fn row_item(tenant: &TenantId, row: &Row, rev: u64) -> Result<Item> {
    let key = keys::index_row(tenant, &row.term, &row.place);
    to_item(&RowItem { pk: key.pk, sk: key.sk, entity: ROW, rev })
}

fn card_item(tenant: &TenantId, card: &Card) -> Result<Item> {
    let key = keys::agent_card(tenant, &card.id);
    let summary = &card.summary;
    let terms: Vec<String> = card.terms.iter().map(ToString::to_string).collect();
    to_item(&CardItem {
        pk: key.pk,
        sk: key.sk,
        gsi1_pk: keys::cards_by_change(tenant),
        gsi1_sk: card.place(SortBy::Updated),
        gsi2_pk: keys::cards_by_name(tenant),
        gsi2_sk: card.place(SortBy::Name),
        entity: CARD.to_owned(),
        key: card.key.clone(),
        name: summary.name.clone(),
        status: summary.status.clone(),
        tags: summary.tags.clone(),
        model: format!("{}/{}", summary.model.provider, summary.model.id),
        rev: summary.rev,
        published_version: summary.published_version,
        created_at: summary.created_at.clone(),
        updated_at: summary.updated_at.clone(),
        terms: serde_json::to_string(&terms).map_err(|_| Error::internal("terms have no form as JSON"))?,
    })
}

fn parse_card(item: Item) -> Result<Card> {
    let unreadable = || Error::internal("a stored card cannot be read");
    let card: CardItem = from_item(item)?;
    let id: AgentId = card.pk.rsplit('#').next().unwrap_or_default().parse().map_err(|_| unreadable())?;
    let terms: Vec<String> = serde_json::from_str(&card.terms).map_err(|_| unreadable())?;
    Ok(Card {
        summary: Summary {
            id: id.to_string(),
            key: card.key.as_ref().map(ToString::to_string),
            name: card.name,
            status: card.status,
            tags: card.tags,
            model: ModelRef::stored(&card.model),
            rev: card.rev,
            published_version: card.published_version,
            created_at: card.created_at,
            updated_at: card.updated_at,
        },
        id,
        key: card.key,
        // A kind of term that another release knows is passed over.
        terms: terms.iter().filter_map(|term| term.parse().ok()).collect(),
    })
}

/// The cards of agents, as they are somewhere in the database, in the order of `ids`. What has none is left
/// out.
async fn cards(store: &Store, tenant: &TenantId, ids: &[AgentId]) -> Result<Vec<Card>> {
    let mut found = std::collections::HashMap::new();
    for batch in ids.chunks(BATCH_GET_MAX) {
        let mut request = KeysAndAttributes::builder();
        for id in batch {
            request = request.keys(keys::agent_card(tenant, id).to_item());
        }
        for item in store.get_all(built(request.build())?).await? {
            if !item.contains_key(GONE) {
                let card = parse_card(item)?;
                found.insert(card.id.clone(), card);
            }
        }
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// Places that a read of the index came by, in its order.
#[derive(Debug, Default)]
struct Places {
    all: Vec<String>,
    /// Items that were read, tombstones included.
    read: usize,
    /// Where the read ended, if there may be more.
    end: Option<String>,
}

/// Agents with a term, by creation, after the place that an earlier read ended at.
async fn of_term(
    store: &Store,
    tenant: &TenantId,
    term: &Term,
    is_descending: bool,
    after: Option<&str>,
    limit: usize,
) -> Result<Places> {
    let first = keys::index_row(tenant, term, "");
    let query = store
        .client
        .query()
        .table_name(&store.table)
        .expression_attribute_values(":term", text(&first.pk))
        .set_exclusive_start_key(after.map(|place| keys::index_row(tenant, term, place).to_item()));
    // A partition of its own has nothing else; one of several terms is read from where this one begins.
    let query = if first.sk.is_empty() {
        query.key_condition_expression("PK = :term")
    } else {
        query
            .key_condition_expression("PK = :term AND begins_with(SK, :first)")
            .expression_attribute_values(":first", text(&first.sk))
    };
    rows(query, is_descending, limit, keys::SK, first.sk.len()).await
}

/// Agents with a word that begins so, by word.
async fn of_prefix(store: &Store, tenant: &TenantId, prefix: &str, limit: usize) -> Result<Places> {
    let first = keys::index_words(tenant, prefix);
    let query = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("PK = :words AND begins_with(SK, :prefix)")
        .expression_attribute_values(":words", text(first.pk))
        .expression_attribute_values(":prefix", text(first.sk));
    let mut places = rows(query, false, limit, keys::SK, 0).await?;
    for place in &mut places.all {
        *place = place.split_once('#').map(|(_, place)| place.to_owned()).unwrap_or_default();
    }
    Ok(places)
}

/// All agents of a tenant in an order, after the place that an earlier read ended at.
async fn all(
    store: &Store,
    tenant: &TenantId,
    sort: Sort,
    after: Option<&str>,
    limit: usize,
) -> Result<Places> {
    let (index, pk, sk, partition) = match sort.by {
        SortBy::Created => (keys::GSI1, keys::GSI1_PK, keys::GSI1_SK, keys::agents_by_creation(tenant)),
        SortBy::Updated => (keys::GSI1, keys::GSI1_PK, keys::GSI1_SK, keys::cards_by_change(tenant)),
        SortBy::Name => (keys::GSI2, keys::GSI2_PK, keys::GSI2_SK, keys::cards_by_name(tenant)),
    };
    let start = after.map(|place| {
        let id = placed(place).ok_or(Error::InvalidCursor)?;
        let mut key = match sort.by {
            SortBy::Created => keys::agent_head(tenant, &id),
            SortBy::Updated | SortBy::Name => keys::agent_card(tenant, &id),
        }
        .to_item();
        key.insert(pk.to_owned(), text(partition.as_str()));
        key.insert(sk.to_owned(), text(place));
        Ok::<_, Error>(key)
    });
    let query = store
        .client
        .query()
        .table_name(&store.table)
        .index_name(index)
        .key_condition_expression(format!("{pk} = :all"))
        .expression_attribute_values(":all", text(partition.as_str()))
        .set_exclusive_start_key(start.transpose()?);
    rows(query, sort.is_descending, limit, sk, 0).await
}

/// The attributes `name` of a query's items, from the byte `skipped` on.
async fn rows(
    query: aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder,
    is_descending: bool,
    limit: usize,
    name: &str,
    skipped: usize,
) -> Result<Places> {
    let output = query
        .scan_index_forward(!is_descending)
        .limit(i32::try_from(limit).unwrap_or(i32::MAX))
        .send()
        .await?;
    let place = |item: &Item| {
        let key: &AttributeValue = item.get(name)?;
        key.as_s().ok()?.get(skipped..).map(str::to_owned)
    };
    let items = output.items.unwrap_or_default();
    Ok(Places {
        read: items.len(),
        all: items.iter().filter(|item| !item.contains_key(GONE)).filter_map(place).collect(),
        end: output.last_evaluated_key.as_ref().and_then(place),
    })
}

/// A page of the agents that hand work to `id`, the oldest first; of those that ask for `alias`, if one is
/// named. `after` is the place that the page before ended with.
///
/// # Errors
/// As the database's.
pub async fn dependents(
    store: &Store,
    tenant: &TenantId,
    id: &AgentId,
    alias: Option<&str>,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Dependent>> {
    let term = match alias {
        Some(alias) => Term::new(Kind::UsesAlias, format!("{id}/{alias}")),
        None => Term::new(Kind::Uses, id.as_str()),
    };
    let page = cards_of(store, tenant, &term, after, limit).await?;
    let prefix = format!("{id}/");
    let dependent = |card: Card| {
        let aliases = card.terms.iter().filter(|term| term.kind == Kind::UsesAlias);
        let aliases =
            aliases.filter_map(|term| term.value.strip_prefix(&prefix)).map(str::to_owned).collect();
        Dependent {
            id: card.summary.id,
            key: card.summary.key,
            name: card.summary.name,
            status: card.summary.status,
            aliases,
        }
    };
    Ok(Page { items: page.items.into_iter().map(dependent).collect(), next_cursor: page.next_cursor })
}

/// A page of the agents that were made from a template, the oldest first. `after` is the place that the page
/// before ended with.
///
/// # Errors
/// As the database's.
pub async fn made_from(
    store: &Store,
    tenant: &TenantId,
    template: &TemplateId,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Summary>> {
    let term = Term::new(Kind::Template, template.as_str());
    let page = cards_of(store, tenant, &term, after, limit).await?;
    let items = page.items.into_iter().map(|card| card.summary).collect();
    Ok(Page { items, next_cursor: page.next_cursor })
}

/// A page of the agents whose index rows name a model (`provider/id`), as their own or as a fallback, the
/// oldest first: candidates, of which the head knows.
///
/// # Errors
/// As the database's.
pub async fn with_model(
    store: &Store,
    tenant: &TenantId,
    model: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<AgentId>> {
    let places = of_term(store, tenant, &Term::new(Kind::Model, model), false, after, limit).await?;
    let items = places.all.iter().filter_map(|place| placed(place)).collect();
    Ok(Page { items, next_cursor: places.end })
}

/// A page of the cards that have a term, the oldest first.
async fn cards_of(
    store: &Store,
    tenant: &TenantId,
    term: &Term,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Card>> {
    let places = of_term(store, tenant, term, false, after, limit).await?;
    let ids: Vec<AgentId> = places.all.iter().filter_map(|place| placed(place)).collect();
    let mut items = if ids.is_empty() { Vec::new() } else { cards(store, tenant, &ids).await? };
    items.retain(|card| card.terms.contains(term));
    Ok(Page { items, next_cursor: places.end })
}
