//! How the index follows the heads. Rows of new terms are put first, then the card, and rows of terms that
//! are gone are taken away last; so that whatever the card says is found. The card is written on condition
//! that it is as this change of the index took it to be: that is the one point where two who index the same
//! agent meet. Whoever comes late there looks again.
//!
//! Rows carry the `rev` that put or removed them, and give way to later ones only; a removed row leaves a
//! tombstone, so that nobody who was held up puts it back. All of it may be done again, in any order: the
//! key is the agent's `rev`.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use futures_util::StreamExt;
use jiff::Timestamp;

use super::{CARD, Card, GONE, ROW, Row, card_item, parse_card, row_item, tombstone};
use crate::agent::Head;
use crate::dynamo::{Item, Store, is_refused_put, keys, number, refused_put};
use crate::error::{Error, Result};
use crate::id::{AgentId, TenantId};
use crate::search::rows;

/// How many rows of an agent are written at once.
const WRITES_AT_ONCE: usize = 16;
/// How often another's write of the card is met.
const ATTEMPTS_MAX: usize = 20;

/// The images of an agent's head that a batch of the stream brought, the oldest first.
#[derive(Debug, Default)]
pub struct Seen {
    /// The head before the first change; none if there was none.
    pub before: Option<Head>,
    /// After each change.
    pub after: Vec<Head>,
}

/// What the index has of an agent.
#[derive(Debug, Clone, Default)]
struct Known {
    /// 0 where there is no card.
    rev: u64,
    rows: BTreeSet<Row>,
}

impl Known {
    fn of(id: &AgentId, head: Option<&Head>) -> Self {
        match head {
            Some(Head::Live(agent)) => {
                let card = Card::of(agent);
                Self { rev: agent.rev, rows: rows(id, agent.created.at, &card.terms) }
            }
            Some(Head::Deleted(tombstone)) => Self { rev: tombstone.rev, rows: BTreeSet::new() },
            None => Self::default(),
        }
    }
}

/// Brings the index up to an agent's last image. Idempotent by its `rev`.
///
/// # Errors
/// As the database's.
pub async fn index(
    store: &Store,
    tenant: &TenantId,
    id: &AgentId,
    seen: &Seen,
    now: Timestamp,
) -> Result<()> {
    let Some(head) = seen.after.last() else {
        return Ok(());
    };
    let wanted = Known::of(id, Some(head));
    // What the stream says was there is mostly what is there; if not, the card's condition tells.
    let mut known = Known::of(id, seen.before.as_ref());
    // Every row that may be there because of what was there, or of this.
    let mut touched: BTreeSet<Row> = known.rows.clone();
    for _ in 0..ATTEMPTS_MAX {
        if known.rev >= wanted.rev {
            // It is there already, or a later one is; perhaps by this very write, whose answer was lost.
            // Whoever did it may not have come to its end.
            let images = seen.before.iter().chain(&seen.after);
            touched.extend(images.flat_map(|image| Known::of(id, Some(image)).rows));
            return remove(store, tenant, touched.difference(&known.rows), known.rev, now).await;
        }
        let new: Vec<&Row> = wanted.rows.difference(&known.rows).collect();
        let items: Result<Vec<Item>> = new.iter().map(|row| row_item(tenant, row, wanted.rev)).collect();
        write(store, items?, wanted.rev, Guard::Earlier).await?;
        touched.extend(new.into_iter().cloned());
        match put_card(store, tenant, id, head, known.rev, now).await? {
            None => {
                return remove(store, tenant, touched.difference(&wanted.rows), wanted.rev, now).await;
            }
            Some(there) => {
                touched.extend(there.rows.iter().cloned());
                known = there;
            }
        }
    }
    Err(Error::Unavailable("others keep indexing the agent".into()))
}

/// Writes the card, or what is left of it, over that of `known_rev`. If there is another, what that says.
async fn put_card(
    store: &Store,
    tenant: &TenantId,
    id: &AgentId,
    head: &Head,
    known_rev: u64,
    now: Timestamp,
) -> Result<Option<Known>> {
    let item = match head {
        Head::Live(agent) => card_item(tenant, &Card::of(agent))?,
        Head::Deleted(deleted) => tombstone(keys::agent_card(tenant, id), CARD, deleted.rev, now)?,
    };
    let put = store.client.put_item().table_name(&store.table).set_item(Some(item));
    let put = match known_rev {
        0 => put.condition_expression("attribute_not_exists(PK)"),
        rev => put.condition_expression("rev = :rev").expression_attribute_values(":rev", number(rev)),
    };
    let put = put
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match put {
        Ok(_) => Ok(None),
        Err(error) => match refused_put(&error) {
            Some(there) if there.is_empty() => Ok(Some(Known::default())),
            Some(there) => read(id, there).map(Some),
            None => Err(error.into()),
        },
    }
}

/// What a card, or what is left of one, says.
fn read(id: &AgentId, item: Item) -> Result<Known> {
    let unreadable = || Error::internal("a stored card cannot be read");
    if item.contains_key(GONE) {
        let rev = item.get("rev").and_then(|rev| rev.as_n().ok()?.parse().ok());
        return Ok(Known { rev: rev.ok_or_else(unreadable)?, rows: BTreeSet::new() });
    }
    let card = parse_card(item)?;
    let created: Timestamp = card.summary.created_at.parse().map_err(|_| unreadable())?;
    Ok(Known { rev: card.summary.rev, rows: rows(id, created, &card.terms) })
}

/// Puts a tombstone in the place of each row, unless a later change has put it.
async fn remove<'a>(
    store: &Store,
    tenant: &TenantId,
    gone: impl Iterator<Item = &'a Row>,
    rev: u64,
    now: Timestamp,
) -> Result<()> {
    let mut items = Vec::new();
    for row in gone {
        items.push(tombstone(keys::index_row(tenant, &row.term, &row.place), ROW, rev, now)?);
    }
    write(store, items, rev, Guard::EarlierAndOwn).await
}

/// What a row's write gives way to.
#[derive(Debug, Clone, Copy)]
enum Guard {
    /// It replaces what is of an earlier `rev`.
    Earlier,
    /// And what is of its own: it has the last word about it.
    EarlierAndOwn,
}

/// Writes rows, each on its condition.
async fn write(store: &Store, items: Vec<Item>, rev: u64, guard: Guard) -> Result<()> {
    let condition = match guard {
        Guard::Earlier => "attribute_not_exists(PK) OR rev < :rev",
        Guard::EarlierAndOwn => "attribute_not_exists(PK) OR rev <= :rev",
    };
    let writes = items.into_iter().map(|item| {
        let put = store.client.put_item().table_name(&store.table).set_item(Some(item));
        let put = put.condition_expression(condition).expression_attribute_values(":rev", number(rev));
        async move {
            match put.send().await {
                Ok(_) => Ok(()),
                Err(error) if is_refused_put(&error) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
    });
    let outcomes: Vec<Result<()>> =
        futures_util::stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).collect().await;
    outcomes.into_iter().collect()
}
