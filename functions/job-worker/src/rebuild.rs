//! Rebuilding a tenant's index: every agent's card and rows are held against its head and mended, and then every
//! term that a card names is gone through for rows that are left over.

use std::collections::{BTreeSet, HashSet};

use agent_management::agent::store::{Order, list};
use agent_management::error::{Error, Result};
use agent_management::id::AgentId;
use agent_management::job::store::Items;
use agent_management::job::{CHUNK_MAX, Item, Outcome};
use agent_management::search::Term;
use agent_management::search::store::rebuild::{Wrong, list_cards, mend_agents, sweep};

use crate::{JobWorker, Of};

/// Agents that are listed at once.
const LISTED: u32 = 500;
/// How many terms a chunk has: one may have rows of every agent.
const TERMS: usize = 20;

/// What was found by name.
pub type Findings = Vec<(String, u64)>;

impl JobWorker {
    /// The chunks of a rebuilding: agents first, and how many chunks that is, then terms.
    pub(crate) async fn index_of(&self, of: Of<'_>) -> Result<(Vec<Items>, u32)> {
        let table = &self.library.base.store;
        let (mut ids, mut known): (Vec<AgentId>, HashSet<AgentId>) = (Vec::new(), HashSet::new());
        let mut after: Option<String> = None;
        loop {
            let page = list(table, of.tenant, Order::OldestFirst, after.as_deref(), LISTED).await?;
            let found = page.items.iter().filter_map(|row| row.id.parse::<AgentId>().ok());
            ids.extend(found.filter(|id| known.insert(id.clone())));
            after = page.next_cursor;
            if after.is_none() {
                break;
            }
        }
        let mut terms: BTreeSet<Term> = BTreeSet::new();
        loop {
            let page = list_cards(table, of.tenant, after.as_deref()).await?;
            // Of agents that are no more, there are cards at most.
            ids.extend(page.ids.into_iter().filter(|id| known.insert(id.clone())));
            terms.extend(page.terms);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut chunks: Vec<Items> = ids.chunks(CHUNK_MAX).map(|ids| Items::Agents(ids.to_vec())).collect();
        let first = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        let terms: Vec<String> = terms.iter().map(ToString::to_string).collect();
        chunks.extend(terms.chunks(TERMS).map(|terms| Items::Terms(terms.to_vec())));
        Ok((chunks, first))
    }

    /// Mends a chunk of the index, and says what was wrong.
    pub(crate) async fn mend(&self, of: Of<'_>, items: &Items) -> Result<(Vec<Item>, Findings)> {
        let table = &self.library.base.store;
        let now = self.clock.now();
        let wrong: Vec<Wrong> = match items {
            Items::Records(_)
            | Items::Templates(_)
            | Items::TemplateRecords(_)
            | Items::Filed(_)
            | Items::Assembly => {
                return Err(Error::internal("a chunk of another job in one that rebuilds"));
            }
            Items::Agents(ids) => mend_agents(table, of.tenant, ids, now).await?,
            Items::Terms(terms) => {
                let mut wrong = Vec::new();
                for term in terms {
                    let term: Term = term.parse().map_err(|_| Error::internal("a chunk's term is none"))?;
                    wrong.push(sweep(table, of.tenant, &term, now).await?);
                }
                wrong
            }
        };
        let mut findings: Findings = Vec::new();
        for (name, count) in wrong.iter().flat_map(|wrong| wrong.counts()) {
            match findings.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += count,
                None if count > 0 => findings.push((name.to_owned(), count)),
                None => {}
            }
        }
        let became =
            |wrong: &Wrong| Item::new(if wrong.is_nothing() { Outcome::Unchanged } else { Outcome::Changed });
        Ok((wrong.iter().map(became).collect(), findings))
    }
}
