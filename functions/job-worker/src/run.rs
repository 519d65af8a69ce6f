//! Running a chunk. What is done with each item is decided and written down first, on condition that nobody has
//! decided; then it is done, each change by an operation that the agent's head remembers; then what became of the
//! items is written, once, and counted, once. Whoever is ended on the way leaves the chunk to the next, who goes
//! by the same decisions.
//!
//! An item is decided anew only when its head has moved on without the job's operation in it: then the earlier
//! decision can't come true any more, because its write is conditional on the `rev` that it named.

use std::collections::HashMap;

use agent_management::agent::Creation;
use agent_management::agent::store::{Found, Memory, Operation, get_heads};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Caller;
use agent_management::id::AgentId;
use agent_management::job::import::Record;
use agent_management::job::store::{self, Chunk, Decisions, Items, Report};
use agent_management::job::{
    Counts, Decision, Item, Job, Kind, Outcome, Plan, Problem, RECEPTIONS_MAX, Spec,
};
use futures_util::StreamExt;

use crate::change::{Act, Work};
use crate::import::targets;
use crate::{JobWorker, Of};

/// How often the items of a chunk are decided anew because others keep changing them.
const ROUNDS_MAX: u64 = 12;
/// How many operations a head remembers: of one that has moved on further, nobody can tell.
const REMEMBERED: u64 = Memory::OPERATIONS_MAX as u64;

impl JobWorker {
    pub(crate) async fn run(&self, of: Of<'_>, plan: &str, number: u32, receptions: u32) -> Result<()> {
        let table = &self.library.base.store;
        let read = store::get_with_chunk(table, of.tenant, of.id, plan, number).await;
        if let Err(Error::Internal(_)) = &read
            && receptions >= RECEPTIONS_MAX
        {
            self.give_up(of, plan, number).await?;
        }
        let (mut job, chunk) = read?;
        if job.plan.as_ref().is_none_or(|adopted| adopted.name != plan) {
            return Ok(());
        }
        let is_stuck = job.stuck.contains(&number);
        if job.is_behind(number) && !is_stuck {
            return self.go_on(of, job, number).await;
        }
        if job.state.is_ended() && !is_stuck {
            return Ok(());
        }
        let chunk = chunk.ok_or_else(|| Error::internal("a chunk that was planned is not there"))?;
        let items = chunk.items.len() as u64;
        let decided = match chunk.outcomes {
            Some(_) => None,
            None => store::get_decisions(table, of.tenant, of.id, plan, number).await?,
        };
        let mut unstuck = is_stuck.then_some(items);
        if receptions >= RECEPTIONS_MAX && !is_stuck {
            // It may not come to its end this time either, and then nobody would go on.
            let by = self.stamp(&job);
            job = store::leave_behind(table, of.tenant, of.id, (number, items), by).await?;
            unstuck = Some(items);
            self.go_on(of, job.clone(), number).await?;
        }
        let mut findings = Vec::new();
        let outcomes = match chunk.outcomes.clone() {
            Some(outcomes) => outcomes,
            None if job.kind == Kind::RebuildIndex && job.is_stopping() => {
                vec![Item::new(Outcome::Skipped); chunk.items.len()]
            }
            None if job.kind == Kind::RebuildIndex => {
                let (outcomes, found) = self.mend(of, &chunk.items).await?;
                findings = found;
                outcomes
            }
            None => self.execute(of, &job, &chunk, decided).await?,
        };
        let outcomes = match chunk.outcomes {
            Some(_) => outcomes,
            None => store::put_outcomes(table, of.tenant, &job, plan, &chunk, outcomes).await?,
        };
        let report = Report { chunk: number, counts: Counts::of(&outcomes), findings, unstuck };
        let job = store::report(table, of.tenant, of.id, report, self.stamp(&job)).await?;
        self.go_on(of, job, number).await
    }

    /// Lets the others of a job go on without a chunk that can't even be read.
    async fn give_up(&self, of: Of<'_>, plan: &str, number: u32) -> Result<()> {
        let table = &self.library.base.store;
        let job = store::get(table, of.tenant, of.id, self.clock.now()).await?;
        let is_concerned = job.plan.as_ref().is_some_and(|adopted| adopted.name == plan);
        if !is_concerned || job.is_behind(number) || job.state.is_ended() {
            return Ok(());
        }
        let spec = self.spec(of).await?;
        let (size, _) = Plan::cut(spec.wave_size);
        let items = job.total().min(size as u64);
        let job = store::leave_behind(table, of.tenant, of.id, (number, items), self.stamp(&job)).await?;
        self.go_on(of, job, number).await
    }

    async fn execute(
        &self,
        of: Of<'_>,
        job: &Job,
        chunk: &Chunk,
        decided: Option<Decisions>,
    ) -> Result<Vec<Item>> {
        let (ids, read): (Vec<AgentId>, Vec<AgentId>) = match &chunk.items {
            Items::Agents(ids) => (ids.clone(), ids.clone()),
            Items::Records(records) => {
                (records.iter().map(|record| record.made().clone()).collect(), targets(records))
            }
            Items::Terms(_) => return Err(Error::internal("a chunk of terms in a job about agents")),
        };
        let spec = self.spec(of).await?;
        let base = &self.library.base;
        let (_, entitlements) = base.tenant(of.tenant).await?;
        let now = self.clock.now();
        let caller = Caller {
            tenant: of.tenant.clone(),
            user: job.created.by.clone(),
            scopes: String::new(),
            expires_at: now,
            entitlements,
        };
        let source = self.source(of, &spec, chunk).await?;
        let work = Work { library: &self.library, caller: &caller, spec: &spec, source: &source, now };
        let running = Running { worker: self, of, job, chunk, ids, read, work };
        Box::pin(running.to_the_end(decided)).await
    }
}

/// A chunk that is being run.
struct Running<'a> {
    worker: &'a JobWorker,
    of: Of<'a>,
    job: &'a Job,
    chunk: &'a Chunk,
    /// The agent of each item; of one that is imported, the one that is made if it is not there.
    ids: Vec<AgentId>,
    /// Every agent that matters to an item.
    read: Vec<AgentId>,
    work: Work<'a>,
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

    async fn to_the_end(&self, mut decided: Option<Decisions>) -> Result<Vec<Item>> {
        let table = &self.worker.library.base.store;
        // Effects that are known for good.
        let mut landed: HashMap<usize, u64> = HashMap::new();
        for round in 0..=ROUNDS_MAX {
            let is_last = round == ROUNDS_MAX;
            let heads = get_heads(table, self.of.tenant, &self.read, round > 0 || decided.is_some()).await?;
            let (mut decisions, mut acts, is_new) = match decided.take() {
                None => {
                    let (items, acts) = self.decide_all(&heads).await?;
                    (Decisions { round: 0, items }, acts, true)
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
            decided = Some(decisions);
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

    /// Decides about every item, until more have failed than may.
    async fn decide_all(
        &self,
        heads: &HashMap<AgentId, Found>,
    ) -> Result<(Vec<Decision>, Vec<(usize, Act)>)> {
        let mut left = self.job.failures_left();
        let (mut items, mut acts) = (Vec::new(), Vec::new());
        for index in 0..self.ids.len() {
            // One more than may fail ends the job; what comes after it is not begun. Written down like any other
            // decision, so that nobody begins it who was held up.
            let is_over = self.job.max_failures.is_some() && left.is_none();
            if is_over || self.job.is_stopping() {
                items.push(Decision::verdict(Item::new(Outcome::Skipped)));
                continue;
            }
            let (decision, act) = self.decide(index, heads).await?;
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
        let Decisions { round, mut items } = known;
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
                Decision::Move { from, .. } => {
                    let operation = self.operation(index);
                    let of_item = self.heads_of(index).find_map(|id| heads.get(id));
                    if of_item.is_some_and(|head| head.remembers(operation)) {
                        landed.insert(index, *from + 1);
                        continue;
                    }
                    (Some(*from), of_item)
                }
            };
            let rev = head.map_or(0, rev_of);
            let has_moved = from.is_some_and(|from| rev != from);
            let other = if from.is_some_and(|from| rev > from + REMEMBERED) {
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
        Ok((Decisions { round: round + u64::from(is_new), items }, acts, is_new))
    }

    /// The agents that an item may be, the likeliest first.
    fn heads_of(&self, index: usize) -> impl Iterator<Item = &AgentId> {
        let targets = match &self.chunk.items {
            Items::Records(records) => records[index].targets.as_slice(),
            Items::Agents(_) | Items::Terms(_) => std::slice::from_ref(&self.ids[index]),
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

fn conflict(detail: &str) -> Item {
    Item::failed(Outcome::Conflict, Problem::new("conflict", detail))
}

/// What became of the items.
fn outcomes(decisions: &Decisions, landed: &HashMap<usize, u64>) -> Vec<Item> {
    let became = |(index, decision): (usize, &Decision)| match decision {
        Decision::Move { from, .. } => Item::changed(landed.get(&index).copied().unwrap_or(from + 1)),
        Decision::Make { id } => Item {
            rev: landed.get(&index).copied(),
            made: Some(id.to_string()),
            ..Item::new(Outcome::Changed)
        },
        Decision::Verdict { item, .. } => item.clone(),
    };
    decisions.items.iter().enumerate().map(became).collect()
}
