//! How the index is held against the heads and mended, while agents change and the index follows them. What is
//! written gives way to every later change, as the indexer's own writes do, so the two never undo each other.
//!
//! Rows are found by the terms that agents or their cards have. A row that is left of a term that nobody has any
//! more is in a partition that nothing names; a search for just that term reads it, asks the card, and shows
//! nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use jiff::Timestamp;

use super::{CARD, Card, GONE, ROW, all, card_item, cards, parse_card, row_item, tombstone};
use crate::agent::store::{Found, get_heads};
use crate::dynamo::{BATCH_GET_MAX, Item, Store, built, is_refused_put, keys, number, text};
use crate::error::{Error, Result};
use crate::id::{AgentId, TenantId};
use crate::search::{Kind, PREFIX_MIN, Row, Sort, SortBy, Term, placed, rows};

/// Cards that are listed at once.
const LISTED: usize = 500;

/// What was wrong with the index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wrong {
    /// Agents without a card.
    pub cards_missing: u64,
    /// Cards that said something else than the agent.
    pub cards_stale: u64,
    /// Cards of agents that are no more.
    pub cards_orphaned: u64,
    pub rows_missing: u64,
    /// Rows of terms that their agent does not have.
    pub rows_orphaned: u64,
}

impl Wrong {
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// By name.
    pub fn counts(self) -> [(&'static str, u64); 5] {
        [
            ("cards_missing", self.cards_missing),
            ("cards_stale", self.cards_stale),
            ("cards_orphaned", self.cards_orphaned),
            ("rows_missing", self.rows_missing),
            ("rows_orphaned", self.rows_orphaned),
        ]
    }
}

/// Some of the cards that there are: whose they are, and the terms that they name.
#[derive(Debug, Default)]
pub struct Cards {
    pub ids: Vec<AgentId>,
    /// What a sweep goes through: a term, or the words that begin alike.
    pub terms: BTreeSet<Term>,
    pub next: Option<String>,
}

/// A page of the tenant's cards.
///
/// # Errors
/// As the database's.
pub async fn list_cards(store: &Store, tenant: &TenantId, after: Option<&str>) -> Result<Cards> {
    let sort = Sort { by: SortBy::Updated, is_descending: false };
    let places = all(store, tenant, sort, after, LISTED).await?;
    let ids: BTreeSet<AgentId> = places.all.iter().filter_map(|place| placed(place)).collect();
    let ids: Vec<AgentId> = ids.into_iter().collect();
    let named = cards(store, tenant, &ids).await?;
    let terms = named.into_iter().flat_map(|card| card.terms).map(|term| swept(&term)).collect();
    Ok(Cards { ids, terms, next: places.end })
}

/// What a sweep goes through to come by a term: words stand together by their beginnings.
fn swept(term: &Term) -> Term {
    match term.kind {
        Kind::Word => Term::new(Kind::Word, term.value.chars().take(PREFIX_MIN).collect::<String>()),
        _ => term.clone(),
    }
}

/// Holds the cards and rows of up to 100 agents against their heads, and mends them. What was wrong with each,
/// in the order of `ids`.
///
/// # Errors
/// As the database's.
pub async fn mend_agents(
    store: &Store,
    tenant: &TenantId,
    ids: &[AgentId],
    now: Timestamp,
) -> Result<Vec<Wrong>> {
    let heads = get_heads(store, tenant, ids, true).await?;
    let there = read(store, ids.iter().map(|id| keys::agent_card(tenant, id))).await?;
    let expected: BTreeMap<&AgentId, BTreeSet<Row>> = ids
        .iter()
        .filter_map(|id| match heads.get(id)? {
            Found::Live(stored) => {
                let card = Card::of(&stored.agent);
                Some((id, rows(id, stored.agent.created.at, &card.terms)))
            }
            Found::Deleted(..) | Found::Unreadable => None,
        })
        .collect();
    let keys = expected.values().flatten().map(|row| keys::index_row(tenant, &row.term, &row.place));
    let found = read(store, keys).await?;
    let mut wrong = Vec::new();
    for id in ids {
        let card = there.get(&key_of(&keys::agent_card(tenant, id)));
        let mended = match heads.get(id) {
            Some(Found::Live(stored)) => {
                let rows = expected.get(id).into_iter().flatten();
                let missing = rows.filter(|row| {
                    let there = found.get(&key_of(&keys::index_row(tenant, &row.term, &row.place)));
                    there.is_none_or(|item| item.contains_key(GONE))
                });
                mend(store, tenant, &Card::of(&stored.agent), missing, card).await?
            }
            Some(Found::Deleted(deleted, _)) => {
                remove_card(store, tenant, id, card, Some(deleted.rev), now).await?
            }
            None => remove_card(store, tenant, id, card, None, now).await?,
            Some(Found::Unreadable) => Wrong::default(),
        };
        wrong.push(mended);
    }
    Ok(wrong)
}

/// Rows first, then the card that names them.
async fn mend<'a>(
    store: &Store,
    tenant: &TenantId,
    wanted: &Card,
    missing: impl Iterator<Item = &'a Row>,
    there: Option<&Item>,
) -> Result<Wrong> {
    let rev = wanted.summary.rev;
    let mut wrong = Wrong::default();
    if there.is_some_and(|there| rev_of(there) > rev) {
        // The index is further than the head that was read.
        return Ok(wrong);
    }
    for row in missing {
        if put(store, row_item(tenant, row, rev)?, rev).await? {
            wrong.rows_missing += 1;
        }
    }
    let item = card_item(tenant, wanted)?;
    if there == Some(&item) {
        return Ok(wrong);
    }
    if put(store, item, rev).await? {
        match there.filter(|there| !there.contains_key(GONE)) {
            None => wrong.cards_missing = 1,
            Some(_) => wrong.cards_stale = 1,
        }
    }
    Ok(wrong)
}

async fn remove_card(
    store: &Store,
    tenant: &TenantId,
    id: &AgentId,
    there: Option<&Item>,
    deleted_rev: Option<u64>,
    now: Timestamp,
) -> Result<Wrong> {
    let mut wrong = Wrong::default();
    let Some(card) = there.filter(|card| !card.contains_key(GONE)) else {
        return Ok(wrong);
    };
    let rev = deleted_rev.unwrap_or_else(|| rev_of(card));
    if rev_of(card) > rev {
        return Ok(wrong);
    }
    if put(store, tombstone(keys::agent_card(tenant, id), CARD, rev, now)?, rev).await? {
        wrong.cards_orphaned = 1;
    }
    if let Ok(card) = parse_card(card.clone()) {
        let created: Timestamp =
            card.summary.created_at.parse().map_err(|_| Error::internal("a stored card cannot be read"))?;
        for row in rows(id, created, &card.terms) {
            let key = keys::index_row(tenant, &row.term, &row.place);
            put(store, tombstone(key, ROW, rev, now)?, rev).await?;
        }
    }
    Ok(wrong)
}

/// Takes away the rows of a term, or of the words that begin so, whose agents do not have it.
///
/// # Errors
/// As the database's.
pub async fn sweep(store: &Store, tenant: &TenantId, term: &Term, now: Timestamp) -> Result<Wrong> {
    let mut wrong = Wrong::default();
    let mut start = None;
    loop {
        let key = match term.kind {
            Kind::Word => keys::index_words(tenant, &term.value),
            _ => keys::index_row(tenant, term, ""),
        };
        let output = store
            .client
            .query()
            .table_name(&store.table)
            .key_condition_expression("PK = :term")
            .expression_attribute_values(":term", text(key.pk))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let items = output.items.unwrap_or_default();
        for batch in items.chunks(BATCH_GET_MAX) {
            wrong.rows_orphaned += sweep_rows(store, tenant, term, batch, now).await?;
        }
        start = output.last_evaluated_key;
        if start.is_none() {
            return Ok(wrong);
        }
    }
}

async fn sweep_rows(
    store: &Store,
    tenant: &TenantId,
    swept: &Term,
    items: &[Item],
    now: Timestamp,
) -> Result<u64> {
    let mut found: Vec<(Row, u64)> = Vec::new();
    for item in items.iter().filter(|item| !item.contains_key(GONE)) {
        let sort_key = item.get(keys::SK).and_then(|key| key.as_s().ok()).map_or("", String::as_str);
        let row = match (swept.kind, sort_key.split_once('#')) {
            (Kind::Word, Some((word, place))) => {
                Row { term: Term::new(Kind::Word, word), place: place.to_owned() }
            }
            (_, _) => Row { term: swept.clone(), place: sort_key.to_owned() },
        };
        found.push((row, rev_of(item)));
    }
    let ids: BTreeSet<AgentId> = found.iter().filter_map(|(row, _)| placed(&row.place)).collect();
    let ids: Vec<AgentId> = ids.into_iter().collect();
    let cards: HashMap<AgentId, Card> =
        cards(store, tenant, &ids).await?.into_iter().map(|card| (card.id.clone(), card)).collect();
    let is_named = |row: &Row, card: &Card| card.terms.contains(&row.term) && place_is(row, card);
    let suspect = |(row, _): &&(Row, u64)| {
        let card = placed(&row.place).and_then(|id| cards.get(&id));
        card.is_none_or(|card| !is_named(row, card))
    };
    let suspects: Vec<&(Row, u64)> = found.iter().filter(suspect).collect();
    // Rows are put before the card that names them: the head decides.
    let ids: BTreeSet<AgentId> = suspects.iter().filter_map(|(row, _)| placed(&row.place)).collect();
    let ids: Vec<AgentId> = ids.into_iter().collect();
    let heads = get_heads(store, tenant, &ids, true).await?;
    let mut removed = 0;
    for (row, rev) in suspects {
        let head = placed(&row.place).and_then(|id| heads.get(&id));
        let is_kept = match head {
            Some(Found::Live(stored)) => is_named(row, &Card::of(&stored.agent)),
            Some(Found::Unreadable) => true,
            Some(Found::Deleted(..)) | None => false,
        };
        if !is_kept {
            let key = keys::index_row(tenant, &row.term, &row.place);
            removed += u64::from(put(store, tombstone(key, ROW, *rev, now)?, *rev).await?);
        }
    }
    Ok(removed)
}

/// Whether the row stands where the card's agent would have it.
fn place_is(row: &Row, card: &Card) -> bool {
    row.place == format!("{}#{}", card.summary.created_at, card.id)
}

/// Writes an item over what is of its `rev` or an earlier one. Whether it did.
async fn put(store: &Store, item: Item, rev: u64) -> Result<bool> {
    let put = store.client.put_item().table_name(&store.table).set_item(Some(item));
    let put = put
        .condition_expression("attribute_not_exists(PK) OR rev <= :rev")
        .expression_attribute_values(":rev", number(rev));
    match put.send().await {
        Ok(_) => Ok(true),
        Err(error) if is_refused_put(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn rev_of(item: &Item) -> u64 {
    item.get("rev").and_then(|rev| rev.as_n().ok()?.parse().ok()).unwrap_or_default()
}

fn key_of(key: &keys::Key) -> (String, String) {
    (key.pk.clone(), key.sk.clone())
}

/// Items by their keys, read consistently.
async fn read(
    store: &Store,
    wanted: impl Iterator<Item = keys::Key>,
) -> Result<HashMap<(String, String), Item>> {
    let wanted: Vec<keys::Key> = wanted.collect();
    let mut found = HashMap::new();
    for batch in wanted.chunks(BATCH_GET_MAX) {
        let mut request = KeysAndAttributes::builder().consistent_read(true);
        for key in batch {
            request = request.keys(key.to_item());
        }
        for item in store.get_all(built(request.build())?).await? {
            let part = |name: &str| item.get(name).and_then(|key| key.as_s().ok()).cloned();
            if let (Some(pk), Some(sk)) = (part(keys::PK), part(keys::SK)) {
                found.insert((pk, sk), item);
            }
        }
    }
    Ok(found)
}
