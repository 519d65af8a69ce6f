//! How a search reads the index. It never reads more than it is allowed: a page that costs more ends early,
//! even empty, with a cursor to go on from. Candidates come from rows, or from a walk over all agents in the
//! order that is asked for; whether one is found is decided by its card.
//!
//! Three ways, from the best: all candidates at once, where they are few; rows of terms merged in the order
//! of creation, which they are kept in; and a walk. Each goes on where any of them ended, because a cursor is
//! a place in the order and nothing else.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};

use super::{Card, all, cards, of_prefix, of_term};
use crate::agent::id_of_key;
use crate::dynamo::Store;
use crate::error::Result;
use crate::id::{AgentId, TenantId};
use crate::search::{Cover, Filter, Kind, Sort, SortBy, Term, placed};

/// How many ways are tried before a walk.
const WAYS_MAX: usize = 2;

/// What is searched for.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub filter: &'a Filter,
    pub sort: Sort,
    /// The place that the page before ended with.
    pub after: Option<String>,
    pub limit: usize,
    /// Items that may be read: rows, places and cards.
    pub reads_max: usize,
}

/// A page of what is found.
#[derive(Debug)]
pub struct Found {
    pub cards: Vec<Card>,
    /// The place that the page ended with, if there may be more.
    pub next: Option<String>,
}

/// A page of the agents that fulfil a filter, as the index has them: a moment behind.
///
/// # Errors
/// As the database's.
pub async fn find(store: &Store, tenant: &TenantId, wanted: Wanted<'_>) -> Result<Found> {
    let mut search = Search {
        store,
        tenant,
        left: wanted.reads_max,
        last: wanted.after.clone(),
        wanted,
        found: Vec::new(),
    };
    let next = search.run().await?;
    Ok(Found { cards: search.found, next })
}

struct Search<'a> {
    store: &'a Store,
    tenant: &'a TenantId,
    wanted: Wanted<'a>,
    /// Items that may still be read.
    left: usize,
    /// The last place that was looked at.
    last: Option<String>,
    found: Vec<Card>,
}

/// Rows of a term, as far as they have been read.
struct List {
    term: Term,
    waiting: VecDeque<String>,
    /// Where to read on, if there is more.
    end: Option<String>,
}

/// What became of a try at one way.
enum Tried {
    /// These are all candidates.
    All(Vec<AgentId>),
    /// There are more; these lists have them in the order that is asked for.
    Lists(Vec<List>),
    More,
}

impl Search<'_> {
    /// Finds a page; where to go on, if there may be more.
    async fn run(&mut self) -> Result<Option<String>> {
        let mut ways = self.wanted.filter.ways();
        // A page of one row has no reads for a second way.
        ways.truncate(WAYS_MAX.min(self.wanted.limit));
        let count = ways.len();
        let mut best = None;
        for way in ways {
            let share = self.share(&way, count);
            match self.try_way(way, share).await? {
                Tried::All(candidates) => return self.few(&candidates).await,
                Tried::Lists(lists) if best.is_none() => best = Some(lists),
                Tried::Lists(_) | Tried::More => {}
            }
        }
        match best {
            Some(lists) => self.merge(lists).await,
            None => self.walk().await,
        }
    }

    /// How many rows are worth a try. By creation they are merged, and none is read in vain. In another order
    /// all of them are needed: twice a page's, whose cards are as many again, is all that a page may read. What
    /// is common to many is soon known for it, and the rest is better spent on a walk.
    fn share(&self, way: &[Cover], count: usize) -> usize {
        let is_wide = |cover: &Cover| match cover {
            Cover::Term(term) => matches!(term.kind, Kind::Status | Kind::Model),
            Cover::Prefix(_) | Cover::Key(_) => false,
        };
        let limit = self.wanted.limit;
        let is_merged =
            self.wanted.sort.by == SortBy::Created && way.iter().all(|cover| matches!(cover, Cover::Term(_)));
        let share = if is_merged {
            limit
        } else if way.iter().any(is_wide) {
            limit.div_ceil(2)
        } else {
            limit * 2
        };
        share / count
    }

    /// Reads up to `share` rows of one way.
    async fn try_way(&mut self, way: Vec<Cover>, share: usize) -> Result<Tried> {
        let is_by_creation = self.wanted.sort.by == SortBy::Created;
        // An agent that is named by its key costs no row. Of many lists a row each is worth a try.
        let lists_wanted = way.iter().filter(|cover| !matches!(cover, Cover::Key(_))).count();
        if lists_wanted > share * 2 {
            return Ok(Tried::More);
        }
        let each = share.checked_div(lists_wanted).unwrap_or(share).max(1);
        let mut ids = BTreeSet::new();
        let mut lists = Vec::new();
        let (mut is_all, mut is_in_order) = (true, is_by_creation);
        for cover in way {
            match cover {
                Cover::Key(key) => {
                    is_in_order = false;
                    ids.insert(id_of_key(self.tenant, &key));
                }
                Cover::Prefix(prefix) => {
                    is_in_order = false;
                    let places = of_prefix(self.store, self.tenant, &prefix, each).await?;
                    self.left = self.left.saturating_sub(places.read);
                    is_all &= places.end.is_none();
                    ids.extend(places.all.iter().filter_map(|place| placed(place)));
                }
                Cover::Term(term) => {
                    let after = self.wanted.after.as_deref().filter(|_| is_by_creation);
                    let is_descending = is_by_creation && self.wanted.sort.is_descending;
                    let places = of_term(self.store, self.tenant, &term, is_descending, after, each).await?;
                    self.left = self.left.saturating_sub(places.read);
                    is_all &= places.end.is_none();
                    ids.extend(places.all.iter().filter_map(|place| placed(place)));
                    lists.push(List { term, waiting: places.all.into(), end: places.end });
                }
            }
        }
        Ok(if is_all {
            Tried::All(ids.into_iter().collect())
        } else if is_in_order {
            Tried::Lists(lists)
        } else {
            Tried::More
        })
    }

    /// All candidates at once: no more than a page's worth of rows led to them.
    async fn few(&mut self, candidates: &[AgentId]) -> Result<Option<String>> {
        if candidates.is_empty() {
            return Ok(None);
        }
        // More keys than a small page may read cards.
        if candidates.len() > self.left {
            return self.walk().await;
        }
        self.left = self.left.saturating_sub(candidates.len());
        let Sort { by, is_descending } = self.wanted.sort;
        let cards = cards(self.store, self.tenant, candidates).await?;
        let admitted = cards.into_iter().filter(|card| self.wanted.filter.admits(card));
        let mut placed: Vec<(String, Card)> = admitted.map(|card| (card.place(by), card)).collect();
        placed.sort_by(|(one, _), (other, _)| if is_descending { other.cmp(one) } else { one.cmp(other) });
        if let Some(after) = &self.wanted.after {
            placed.retain(|(place, _)| if is_descending { place < after } else { place > after });
        }
        let is_more = placed.len() > self.wanted.limit;
        placed.truncate(self.wanted.limit);
        let next = placed.last().filter(|_| is_more).map(|(place, _)| place.clone());
        self.found = placed.into_iter().map(|(_, card)| card).collect();
        Ok(next)
    }

    /// Rows of terms, together in the order of creation.
    async fn merge(&mut self, mut lists: Vec<List>) -> Result<Option<String>> {
        let direction = self.direction();
        loop {
            let batch = next_batch(&mut lists, direction, self.wanted_now().min(self.left));
            self.look_at(batch).await?;
            if lists.iter().all(List::is_over) {
                return Ok(None);
            }
            let blocked = lists.iter().filter(|list| list.is_blocked()).count();
            // A row of each and a card at least, or there is nothing to be gained.
            if self.found.len() == self.wanted.limit || self.left <= blocked {
                return Ok(self.reached(&lists));
            }
            if blocked == 0 {
                continue;
            }
            let each = (self.wanted_now().min(self.left / 2) / blocked).max(1);
            for list in lists.iter_mut().filter(|list| list.is_blocked()) {
                let is_descending = self.wanted.sort.is_descending;
                let after = list.end.take();
                let places =
                    of_term(self.store, self.tenant, &list.term, is_descending, after.as_deref(), each)
                        .await?;
                self.left = self.left.saturating_sub(places.read);
                list.waiting.extend(places.all);
                list.end = places.end;
            }
        }
    }

    /// How far the lists have been passed: to the last place that was looked at, or beyond it where only
    /// tombstones stood.
    fn reached(&self, lists: &[List]) -> Option<String> {
        let direction = self.direction();
        let passed = passed(lists, direction);
        let waits = |place: &String| {
            let mut heads = lists.iter().filter_map(|list| list.waiting.front());
            heads.any(|head| direction.compare(head, place).is_le())
        };
        match (passed.filter(|place| !waits(place)), self.last.clone()) {
            (Some(passed), Some(last)) if direction.compare(&passed, &last).is_le() => Some(last),
            (Some(passed), _) => Some(passed),
            (None, last) => last,
        }
    }

    fn direction(&self) -> Direction {
        if self.wanted.sort.is_descending { Direction::Descending } else { Direction::Ascending }
    }

    /// Every agent, in the order that is asked for.
    async fn walk(&mut self) -> Result<Option<String>> {
        let mut after = self.last.clone();
        loop {
            let chunk = self.wanted_now().min(self.left / 2);
            if chunk == 0 {
                return Ok(self.last.clone());
            }
            let places = all(self.store, self.tenant, self.wanted.sort, after.as_deref(), chunk).await?;
            self.left = self.left.saturating_sub(places.read);
            self.look_at(places.all).await?;
            match places.end {
                None => return Ok(None),
                end => after = end,
            }
        }
    }

    /// How many are still wanted.
    fn wanted_now(&self) -> usize {
        self.wanted.limit - self.found.len()
    }

    /// Decides about agents at these places by their cards. There are no more than are wanted.
    async fn look_at(&mut self, places: Vec<String>) -> Result<()> {
        let ids: Vec<AgentId> = places.iter().filter_map(|place| placed(place)).collect();
        if let Some(last) = places.into_iter().next_back() {
            self.last = Some(last);
        }
        if ids.is_empty() {
            return Ok(());
        }
        self.left = self.left.saturating_sub(ids.len());
        let cards = cards(self.store, self.tenant, &ids).await?;
        self.found.extend(cards.into_iter().filter(|card| self.wanted.filter.admits(card)));
        Ok(())
    }
}

/// Which of two places comes first.
#[derive(Debug, Clone, Copy)]
enum Direction {
    Ascending,
    Descending,
}

impl Direction {
    fn compare(self, one: &str, other: &str) -> Ordering {
        match self {
            Self::Ascending => one.cmp(other),
            Self::Descending => other.cmp(one),
        }
    }
}

impl List {
    /// Whether it has to be read on before it says what comes next.
    fn is_blocked(&self) -> bool {
        self.waiting.is_empty() && self.end.is_some()
    }

    fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.end.is_none()
    }
}

/// Up to where the lists that have to be read on have been read: nothing of theirs stands before it.
fn passed(lists: &[List], direction: Direction) -> Option<String> {
    let ends = lists.iter().filter(|list| list.is_blocked()).filter_map(|list| list.end.as_ref());
    ends.min_by(|one, other| direction.compare(one, other)).cloned()
}

/// Up to `limit` places in their order, each once, as far as all lists have been read.
fn next_batch(lists: &mut [List], direction: Direction, limit: usize) -> Vec<String> {
    let mut batch: Vec<String> = Vec::new();
    while batch.len() < limit {
        let heads = lists.iter().filter_map(|list| list.waiting.front());
        let Some(next) = heads.min_by(|one, other| direction.compare(one, other)).cloned() else {
            break;
        };
        if passed(lists, direction).is_some_and(|end| direction.compare(&next, &end).is_gt()) {
            break;
        }
        for list in lists.iter_mut().filter(|list| list.waiting.front() == Some(&next)) {
            list.waiting.pop_front();
        }
        batch.push(next);
    }
    batch
}
