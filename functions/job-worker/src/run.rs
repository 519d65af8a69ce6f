//! Running a chunk: what becomes of its items is written, once, and counted, once. Whoever is ended on the way
//! leaves the chunk to the next. What happens in between is in `running`.

use agent_management::error::{Error, Result};
use agent_management::http::caller::Caller;
use agent_management::id::AgentId;
use agent_management::job::store::{self, Chunk, Decisions, Items, Report};
use agent_management::job::{Counts, Item, Job, Kind, Outcome, RECEPTIONS_MAX, Taken, What};

use crate::change::Work;
use crate::export::Written;
use crate::import::{For, Links, targets};
use crate::running::Running;
use crate::{JobWorker, Of};

impl JobWorker {
    pub(crate) async fn run(&self, of: Of<'_>, plan: &str, number: u32, receptions: u32) -> Result<()> {
        let table = &self.library.base.store;
        if receptions >= RECEPTIONS_MAX {
            // It may not come to its end this time either, and then nobody would go on.
            self.leave_behind(of, plan, number).await?;
        }
        let (job, chunk) = store::get_with_chunk(table, of.tenant, of.id, plan, number).await?;
        if job.plan.as_ref().is_none_or(|adopted| adopted.name != plan) {
            return Ok(());
        }
        let is_stuck = job.stuck.contains(&number);
        if job.is_behind(number) {
            // Whoever put it there may not have come to send what follows.
            self.go_on(of, job.clone(), number).await?;
        }
        if !is_stuck && (job.is_behind(number) || job.state.is_ended()) {
            return Ok(());
        }
        let chunk = chunk.ok_or_else(|| Error::internal("a chunk that was planned is not there"))?;
        let unstuck = is_stuck.then_some(chunk.items.len() as u64);
        let decided = match chunk.outcomes {
            Some(_) => None,
            None => store::get_decisions(table, of.tenant, of.id, plan, number).await?,
        };
        let ended = if chunk.outcomes.is_some() {
            chunk
        } else {
            let Written { outcomes, findings, parts } = match job.kind {
                Kind::RebuildIndex | Kind::ExportAgents if job.is_stopping() => {
                    let outcomes = vec![Item::new(Outcome::Skipped); chunk.items.len()];
                    Written { outcomes, ..Written::default() }
                }
                Kind::RebuildIndex => {
                    let (outcomes, findings) = self.mend(of, &chunk.items).await?;
                    Written { outcomes, findings, ..Written::default() }
                }
                Kind::ExportAgents if matches!(chunk.items, Items::Assembly) => Written::default(),
                Kind::ExportAgents => {
                    self.export(of, plan, &chunk, taken(&self.spec(of).await?.what)).await?
                }
                _ => {
                    Written { outcomes: self.execute(of, &job, &chunk, decided).await?, ..Written::default() }
                }
            };
            let ended = Chunk { outcomes: Some(bounded(outcomes)), findings, parts, ..chunk };
            store::put_outcomes(table, of.tenant, &job, plan, ended).await?
        };
        let counts = Counts::of(ended.outcomes.as_deref().unwrap_or_default());
        let is_last = matches!(ended.items, Items::Assembly);
        // What was left behind may come after the file was made, or while it is, without it.
        let was_left = receptions >= RECEPTIONS_MAX || is_stuck;
        if job.kind == Kind::ExportAgents && !job.is_stopping() && (is_last || was_left) {
            self.write_file(of, &job).await?;
        }
        let report = Report { chunk: number, counts, findings: ended.findings, unstuck };
        let job = store::report(table, of.tenant, of.id, report, self.stamp(&job)).await?;
        self.go_on(of, job, number).await
    }

    /// Lets the others of a job go on without a chunk that may never come to its end.
    async fn leave_behind(&self, of: Of<'_>, plan: &str, number: u32) -> Result<()> {
        let table = &self.library.base.store;
        let job = store::get(table, of.tenant, of.id, self.clock.now()).await?;
        let is_concerned = job.plan.as_ref().is_some_and(|adopted| adopted.name == plan);
        if !is_concerned || job.is_behind(number) || job.state.is_ended() {
            return Ok(());
        }
        let items = match store::get_with_chunk(table, of.tenant, of.id, plan, number).await {
            Ok((_, Some(chunk))) => chunk.items.len() as u64,
            // It can't even be read: as many as a chunk has, and no more than are left.
            Ok((_, None)) | Err(_) => {
                let (size, _) = self.spec(of).await?.cut();
                let left = job.total().saturating_sub(job.counts.all() + job.stuck_items);
                left.min(size as u64)
            }
        };
        let job = store::leave_behind(table, of.tenant, of.id, (number, items), self.stamp(&job)).await?;
        self.go_on(of, job, number).await
    }

    /// Writes the file of what an export's chunks have written so far. Of two who do so, the one counts who has seen
    /// more of them, and whoever has ended a chunk has seen it.
    async fn write_file(&self, of: Of<'_>, job: &Job) -> Result<()> {
        let spec = self.spec(of).await?;
        let (What::Export { format, .. }, Some(plan)) = (&spec.what, &job.plan) else {
            return Ok(());
        };
        let file = self.assemble(of, job, plan, *format).await?;
        store::put_file(&self.library.base.store, of.tenant, of.id, &file, self.stamp(job)).await
    }

    async fn execute(
        &self,
        of: Of<'_>,
        job: &Job,
        chunk: &Chunk,
        decided: Option<Decisions>,
    ) -> Result<Vec<Item>> {
        let chunk = &self.fetched(of, chunk).await?;
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
        let (ids, read): (Vec<AgentId>, Vec<AgentId>) = match &chunk.items {
            Items::Agents(ids) => (ids.clone(), ids.clone()),
            Items::Records(records) => {
                (records.iter().map(|record| record.made().clone()).collect(), targets(records))
            }
            Items::TemplateRecords(records) => {
                let of = For { caller: &caller, job, spec: &spec, chunk: chunk.number };
                return self.import_templates(of, records).await;
            }
            Items::Terms(_) | Items::Templates(_) | Items::Filed(_) | Items::Assembly => {
                return Err(Error::internal("a chunk of another job in one about agents"));
            }
        };
        let source = self.source(of, &spec, chunk).await?;
        let links = match &chunk.items {
            Items::Records(records) => self.links(of.tenant, records).await?,
            _ => Links::new(),
        };
        let library = &self.library;
        let work = Work { library, caller, spec: &spec, job, source: &source, links: &links, now };
        let mut running = Running { worker: self, of, job, chunk, ids, read, work };
        Box::pin(running.run(decided)).await
    }
}

/// What of agents a job's file has.
fn taken(what: &What) -> Taken {
    match what {
        What::Export { taken, .. } | What::Import { taken, .. } => *taken,
        _ => Taken::default(),
    }
}

/// The most bytes of what became of a chunk's items: beside it the item has the records of an import.
const OUTCOMES_MAX_BYTES: usize = 100 * 1024;

/// The outcomes, without the entries of their problems where those would be too many.
fn bounded(mut outcomes: Vec<Item>) -> Vec<Item> {
    let bytes = |item: &Item| serde_json::to_string(item).map_or(0, |json| json.len());
    let mut total = 0;
    for item in &mut outcomes {
        let size = bytes(item);
        if total + size > OUTCOMES_MAX_BYTES
            && let Some(problem) = &mut item.problem
        {
            problem.errors.clear();
        }
        total += bytes(item);
    }
    outcomes
}
