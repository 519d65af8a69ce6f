//! A chunk while it runs. What is done with each item is decided and written down first, on condition that nobody
//! has decided; then it is done, each change by an operation that the agent's head remembers. Whoever runs the chunk
//! again goes by the same decisions.
//!
//! An item is decided anew only when its head has moved on without the job's operation in it: then the earlier
//! decision can't come true any more, because its write is conditional on the `rev` that it named.

use std::collections::{BTreeSet, HashMap};

use agent_management::agent::Creation;
use agent_management::agent::store::{Found, Memory, Operation, get_heads};
use agent_management::error::{Error, Result};
use agent_management::id::AgentId;
use agent_management::job::import::Record;
use agent_management::job::store::{self, Chunk, Decisions, Items};
use agent_management::job::{Decision, Item, Job, Outcome, Problem, Spec};
use futures_util::StreamExt;
use jiff::Timestamp;

use crate::change::{Act, Work};
use crate::{JobWorker, Of};

/// How often the items of a chunk are decided anew because others keep changing them.
const ROUNDS_MAX: u64 = 12;
/// How many operations a head remembers: of one that has moved on further, nobody can tell.
const REMEMBERED: u64 = Memory::OPERATIONS_MAX as u64;

/// A chunk that is being run.
pub struct Running<'a> {
    pub worker: &'a JobWorker,
    pub of: Of<'a>,
    pub job: &'a Job,
    pub chunk: &'a Chunk,
    /// The agent of each item; of one that is imported, the one that is made if it is not there.
    pub ids: Vec<AgentId>,
    /// Every agent that matters to an item.
    pub read: Vec<AgentId>,
    pub work: Work<'a>,
}

/// What became of a decision.
enum Effect {
    Landed {
        rev: u64,
    },
    /// It can't come true any more.
    Overtaken,
    /// The service does not admit it after all.
    Failed(Item),
}

impl Running<'_> {
    fn spec(&self) -> &Spec {
        self.work.spec
    }

    fn plan(&self) -> &str {
        self.job.plan.as_ref().map_or("", |plan| plan.name.as_str())
    }

    /// The operation by which an item is changed.
    fn operation(&self, index: usize) -> Operation {
        let item = format!("{} {index} {}", self.chunk.number, self.ids[index]);
        Operation::of_job(&self.job.id, &item)
    }

    async fn decide(&self, index: usize, heads: &HashMap<AgentId, Found>) -> Result<(Decision, Option<Act>)> {
        if let Items::Records(records) = &self.chunk.items {
            let record = &records[index];
            return self.work.decide_record(record, self.creation(index, record), heads);
        }
        let id = &self.ids[index];
        self.work.decide(id, heads.get(id)).await
    }

    fn creation(&self, index: usize, record: &Record) -> Creation {
        self.work.creation(self.job, index, record)
    }

    /// The `rev` of the agent that a decision has made.
    fn made(&self, index: usize, head: Option<&Found>) -> Option<u64> {
        let (Items::Records(records), Some(Found::Live(stored))) = (&self.chunk.items, head) else {
            return None;
        };
        let creation = self.creation(index, &records[index]);
        stored.was_made_by(creation).then_some(stored.agent.rev)
    }

    /// Decides, writes down, and does. What became of the items.
    ///
    /// # Errors
    /// [`Error::Unavailable`], after which it may be run again.
    pub async fn run(&mut self, mut decided: Option<Decisions>) -> Result<Vec<Item>> {
        let table = &self.worker.library.base.store;
        // Effects that are known for good.
        let mut landed: HashMap<usize, u64> = HashMap::new();
        for round in 0..=ROUNDS_MAX {
            let is_last = round == ROUNDS_MAX;
            if round > 0 {
                // The tier may have been another than was thought.
                let (_, entitlements) = self.worker.library.base.tenant(self.of.tenant).await?;
                self.work.caller.entitlements = entitlements;
            }
            // A change is conditional on what was read, however old; a verdict is not.
            let is_consistent = round > 0 || decided.is_some() || self.spec().dry_run;
            let heads = get_heads(table, self.of.tenant, &self.read, is_consistent).await?;
            let (mut decisions, mut acts, is_new) = match decided.take() {
                None => {
                    let (items, acts) = self.decide_all(heads, is_consistent).await?;
                    (Decisions { round: 0, decided_at: self.work.now, items }, acts, true)
                }
                Some(known) => self.decide_again(known, &heads, &mut landed, is_last).await?,
            };
            if is_new && !self.write_down(&decisions).await? {
                decided = self.read_again().await?;
                continue;
            }
            acts.retain(|(index, _)| !landed.contains_key(index));
            let mut failed = Vec::new();
            let mut is_overtaken = false;
            for (index, effect) in self.act(acts).await? {
                match effect {
                    Effect::Landed { rev } => {
                        landed.insert(index, rev);
                    }
                    Effect::Overtaken => is_overtaken = true,
                    Effect::Failed(item) => failed.push((index, item)),
                }
            }
            if !failed.is_empty() {
                for (index, item) in failed {
                    decisions.items[index] = Decision::verdict(item);
                }
                decisions.round += 1;
                if !self.write_down(&decisions).await? {
                    decided = self.read_again().await?;
                    continue;
                }
            }
            if !is_overtaken {
                return Ok(outcomes(&decisions, &landed));
            }
            // Another who runs the chunk may have decided anew meanwhile.
            decided = self.read_again().await?.or(Some(decisions));
        }
        Err(Error::Unavailable("the chunk's agents keep changing".into()))
    }

    async fn write_down(&self, decisions: &Decisions) -> Result<bool> {
        let table = &self.worker.library.base.store;
        store::put_decisions(table, self.of.tenant, self.job, self.plan(), self.chunk.number, decisions).await
    }

    async fn read_again(&self) -> Result<Option<Decisions>> {
        let table = &self.worker.library.base.store;
        store::get_decisions(table, self.of.tenant, self.of.id, self.plan(), self.chunk.number).await
    }

    /// Decides about every item, until more have failed than may. Where the decision is that nothing is done, by
    /// what was read consistently.
    async fn decide_all(
        &self,
        mut heads: HashMap<AgentId, Found>,
        is_consistent: bool,
    ) -> Result<(Vec<Decision>, Vec<(usize, Act)>)> {
        if self.job.is_stopping() {
            return Ok((vec![skipped(); self.ids.len()], Vec::new()));
        }
        let mut decided = Vec::new();
        for index in 0..self.ids.len() {
            decided.push(self.decide(index, &heads).await?);
            // Others' chunks are in the same invocation.
            tokio::task::yield_now().await;
        }
        if !is_consistent {
            let is_verdict = |index: &usize| matches!(decided[*index].0, Decision::Verdict { .. });
            let doubtful: Vec<usize> = (0..decided.len()).filter(is_verdict).collect();
            // Several records may meet one agent.
            let ids: BTreeSet<AgentId> =
                doubtful.iter().flat_map(|index| self.heads_of(*index)).cloned().collect();
            let ids: Vec<AgentId> = ids.into_iter().collect();
            heads.retain(|id, _| ids.binary_search(id).is_err());
            heads.extend(get_heads(&self.worker.library.base.store, self.of.tenant, &ids, true).await?);
            for index in doubtful {
                decided[index] = self.decide(index, &heads).await?;
            }
        }
        let mut left = self.job.failures_left();
        let (mut items, mut acts) = (Vec::new(), Vec::new());
        for (index, (decision, act)) in decided.into_iter().enumerate() {
            // One more than may fail ends the job; what comes after it is not begun. Written down like any other
            // decision, so that nobody begins it who was held up.
            if self.job.max_failures.is_some() && left.is_none() {
                items.push(skipped());
                continue;
            }
            if let Decision::Verdict { item, .. } = &decision
                && item.outcome.is_failure()
            {
                left = left.and_then(|left| left.checked_sub(1));
            }
            items.push(decision);
            acts.extend(act.map(|act| (index, act)));
        }
        Ok((items, acts))
    }

    /// Finds out which decisions have come true, which still can, and decides about the others anew.
    async fn decide_again(
        &self,
        known: Decisions,
        heads: &HashMap<AgentId, Found>,
        landed: &mut HashMap<usize, u64>,
        is_last: bool,
    ) -> Result<(Decisions, Vec<(usize, Act)>, bool)> {
        let Decisions { round, decided_at, mut items } = known;
        let (mut acts, mut is_new) = (Vec::new(), false);
        for (index, decision) in items.iter_mut().enumerate() {
            if landed.contains_key(&index) {
                continue;
            }
            let (from, head) = match decision {
                Decision::Verdict { .. } => continue,
                Decision::Make { id } => {
                    if let Some(rev) = self.made(index, heads.get(id)) {
                        landed.insert(index, rev);
                        continue;
                    }
                    (None, None)
                }
                Decision::Move { from, id, .. } => {
                    let operation = self.operation(index);
                    let of_item = heads.get(id.as_ref().unwrap_or(&self.ids[index]));
                    if of_item.is_some_and(|head| head.remembers(operation)) {
                        landed.insert(index, *from + 1);
                        continue;
                    }
                    (Some(*from), of_item)
                }
            };
            let rev = head.map_or(0, rev_of);
            let has_moved = from.is_some_and(|from| rev != from);
            let is_another = has_moved && head.is_some_and(|head| is_made_since(head, decided_at));
            let other = if is_another {
                // What was decided about is gone; this one has its name.
                Some((Decision::verdict(crate::change::failed(Error::NotFound("agent"))?), None))
            } else if self.job.is_stopping() && (has_moved || self.job.state.is_ended()) {
                // Whoever asked the job to end was told that this one is left alone.
                Some((skipped(), None))
            } else if from.is_some_and(|from| rev > from + REMEMBERED) {
                let detail =
                    "It was changed so often meanwhile that nobody can tell whether the job changed it.";
                Some((Decision::verdict(conflict(detail)), None))
            } else if has_moved && is_last {
                Some((Decision::verdict(conflict("It keeps being changed.")), None))
            } else {
                let (again, act) = self.decide(index, heads).await?;
                if again == *decision {
                    acts.extend(act.map(|act| (index, act)));
                    None
                } else {
                    Some((again, act))
                }
            };
            if let Some((again, act)) = other {
                *decision = again;
                acts.extend(act.map(|act| (index, act)));
                is_new = true;
            }
        }
        Ok((Decisions { round: round + u64::from(is_new), decided_at, items }, acts, is_new))
    }

    /// The agents that an item may be, the likeliest first.
    fn heads_of(&self, index: usize) -> impl Iterator<Item = &AgentId> {
        let targets = match &self.chunk.items {
            Items::Records(records) => records[index].targets.as_slice(),
            _ => std::slice::from_ref(&self.ids[index]),
        };
        targets.iter()
    }

    async fn act(&self, acts: Vec<(usize, Act)>) -> Result<Vec<(usize, Effect)>> {
        // What is counted in or out meets others at the tenant's record.
        let at_once = if self.spec().what.moves_counts() { 1 } else { 16 };
        let effects = futures_util::stream::iter(acts).map(|(index, act)| async move {
            let effect = match self.work.act(act, self.operation(index)).await {
                Ok(Some(rev)) => Effect::Landed { rev },
                // What does not answer is worth another round, like being overtaken.
                Ok(None) | Err(Error::PreconditionFailed | Error::Unavailable(_)) => Effect::Overtaken,
                Err(error) => Effect::Failed(crate::change::failed(error)?),
            };
            Ok((index, effect))
        });
        let effects: Vec<Result<_>> = effects.buffer_unordered(at_once).collect().await;
        effects.into_iter().collect()
    }
}

fn rev_of(head: &Found) -> u64 {
    match head {
        Found::Live(stored) => stored.agent.rev,
        Found::Deleted(tombstone, _) => tombstone.rev,
        Found::Unreadable => 0,
    }
}

/// Whether the agent was made since then, under the name of one that was deleted.
fn is_made_since(head: &Found, decided_at: Timestamp) -> bool {
    matches!(head, Found::Live(stored) if stored.agent.created.at > decided_at)
}

fn skipped() -> Decision {
    Decision::verdict(Item::new(Outcome::Skipped))
}

fn conflict(detail: &str) -> Item {
    Item::failed(Outcome::Conflict, Problem::new("conflict", detail))
}

/// What became of the items.
fn outcomes(decisions: &Decisions, landed: &HashMap<usize, u64>) -> Vec<Item> {
    let became = |(index, decision): (usize, &Decision)| match decision {
        Decision::Move { from, id, .. } => Item {
            made: id.as_ref().map(ToString::to_string),
            ..Item::changed(landed.get(&index).copied().unwrap_or(from + 1))
        },
        Decision::Make { id } => Item {
            rev: landed.get(&index).copied(),
            made: Some(id.to_string()),
            ..Item::new(Outcome::Changed)
        },
        Decision::Verdict { item, .. } => item.clone(),
    };
    decisions.items.iter().enumerate().map(became).collect()
}
