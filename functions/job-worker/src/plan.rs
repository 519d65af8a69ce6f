//! Planning: which items a job has, cut into chunks. Nobody goes by a plan until the job has adopted it, and it
//! adopts one: so a step that comes again, or at the same time, does no harm.

use agent_management::agent::store::{Order, list};
use agent_management::error::{Error, Result};
use agent_management::id::{AgentId, JobId};
use agent_management::job::store::{self, Chunk, Ending, Items, Written};
use agent_management::job::{
    CHUNKS_MAX, ItemSelection, Job, JobFile, Plan, Problem, Spec, State, Taken, What,
};
use agent_management::search::store::{Wanted, find};
use agent_management::search::{FilterDocument, SearchDocument};
use agent_management::tier::LimitName;
use serde_json::json;

use crate::import::{Prepared, Unprepared};
use crate::{JobWorker, Of};

/// How many agents of a list a page has.
const LISTED: u32 = 500;
/// How many agents a page of a search has, and how many items it may read.
const SEARCHED: usize = 100;
const READS_MAX: usize = 400;
/// How many chunks of another job are read at once.
const CHUNKS_READ: u32 = 10;

/// A page of what a job is about.
struct Page {
    /// Items that fill chunks in the order in which they come.
    ids: Vec<AgentId>,
    /// Chunks of their own.
    chunks: Vec<(Items, Option<u32>)>,
    next: Option<String>,
}

/// How far the planning is.
#[derive(Default)]
struct Planning {
    /// The plan's name.
    plan: String,
    /// Where the search goes on.
    after: Option<String>,
    /// Chunks that are written.
    chunks: u32,
    /// Items in them.
    total: u64,
    /// Items that do not fill a chunk yet.
    rest: Vec<AgentId>,
    /// Chunks that come to their end before all others begin.
    first: u32,
}

impl JobWorker {
    pub(crate) async fn plan(&self, of: Of<'_>) -> Result<()> {
        let store = &self.library.base.store;
        let mut job = store::get(store, of.tenant, of.id, self.clock.now()).await?;
        if job.state == State::Queued {
            job = store::begin(store, of.tenant, of.id, self.stamp(&job)).await?;
        }
        if job.state.is_ended() {
            return Ok(());
        }
        if let Some(plan) = &job.plan {
            // It runs already; perhaps whoever planned it did not come to send the first messages.
            return self.release(of, &job, &plan.begin()).await;
        }
        if job.cancelled.is_some() {
            return self.finish(of, job).await;
        }
        let spec = self.spec(of).await?;
        if matches!(spec.what, What::RebuildIndex) {
            return self.plan_rebuild(of, job).await;
        }
        let mut planning = Planning { plan: format!("{:08x}", fastrand::u32(..)), ..Planning::default() };
        let (_, entitlements) = self.library.base.tenant(of.tenant).await?;
        let max = self.library.base.tiers.limits(&entitlements).get(LimitName::JobItems);
        let mut prepared = None;
        if Self::is_import(&spec) {
            prepared = Some(match self.prepare(of, &spec, &planning.plan, max).await {
                Ok(prepared) => prepared,
                Err(Unprepared::Refused(problem)) => return self.refuse(of, job, problem).await,
                Err(Unprepared::Failed(error)) => return Err(error),
            });
        }
        let file = prepared.as_mut().and_then(|prepared| prepared.file.take());
        if let What::Export { taken: Taken { templates: true, .. }, .. } = &spec.what
            && !matches!(spec.items, ItemSelection::LeftBy(_))
        {
            let chunks = self.templates_of(of).await?.into_iter().map(|items| (items, None)).collect();
            let page = Page { ids: Vec::new(), chunks, next: Some(String::new()) };
            self.cut(of, &job, &spec, &mut planning, page).await?;
        }
        loop {
            let page = match prepared.take() {
                Some(Prepared { items, .. }) => {
                    let chunks = items.into_iter().map(|items| (items, None)).collect();
                    Page { ids: Vec::new(), chunks, next: None }
                }
                None => self.page(of, &spec, planning.after.as_deref()).await?,
            };
            planning.after.clone_from(&page.next);
            let is_last = page.next.is_none();
            // Before anything is written of what is too much.
            let own: usize = page.chunks.iter().map(|(items, _)| items.len()).sum();
            let total = planning.total + (planning.rest.len() + page.ids.len() + own) as u64;
            if let Some(max) = max.filter(|max| total > *max) {
                let detail = format!("The job has more items than the tier's {max}.");
                return self.refuse(of, job, Problem::new("entitlement_exceeded", detail)).await;
            }
            self.cut(of, &job, &spec, &mut planning, page).await?;
            if planning.chunks > CHUNKS_MAX {
                let detail = format!("The job has more than {CHUNKS_MAX} chunks; make its waves larger.");
                return self.refuse(of, job, Problem::new("too_many_chunks", detail)).await;
            }
            if is_last {
                if matches!(spec.what, What::Export { .. }) {
                    // All others are before it.
                    planning.first = planning.chunks;
                    let last = Page { ids: Vec::new(), chunks: vec![(Items::Assembly, None)], next: None };
                    self.cut(of, &job, &spec, &mut planning, last).await?;
                }
                let Planning { plan: name, chunks, total, first, .. } = planning;
                let (_, wave) = spec.cut();
                let plan = Plan { name, chunks, total, wave, first };
                return self.adopt(of, job, plan, file.as_ref()).await;
            }
        }
    }

    /// Writes the chunks that are full, and at the end the last one.
    async fn cut(
        &self,
        of: Of<'_>,
        job: &Job,
        spec: &Spec,
        planning: &mut Planning,
        page: Page,
    ) -> Result<()> {
        let (size, _) = spec.cut();
        let mut chunks = Vec::new();
        let mut put = |items: Items, of: Option<u32>, planning: &mut Planning| {
            // Templates come before the agents that were made from them.
            if items.is_of_templates() && planning.first == planning.chunks {
                planning.first += 1;
            }
            planning.chunks += 1;
            planning.total += items.len() as u64;
            chunks.push(Chunk { of, ..Chunk::new(planning.chunks, items) });
        };
        let mut rest = std::mem::take(&mut planning.rest);
        rest.extend(page.ids);
        let mut rest = rest.into_iter();
        loop {
            let chunk: Vec<AgentId> = rest.by_ref().take(size).collect();
            let is_full = chunk.len() == size;
            if is_full || (page.next.is_none() && !chunk.is_empty()) {
                put(Items::Agents(chunk), None, planning);
            } else {
                planning.rest = chunk;
                break;
            }
        }
        for (items, of) in page.chunks {
            put(items, of, planning);
        }
        store::put_chunks(&self.library.base.store, of.tenant, job, &planning.plan, &chunks).await
    }

    /// The service's own work on the tenant's index, which no tier bounds.
    async fn plan_rebuild(&self, of: Of<'_>, job: Job) -> Result<()> {
        let (items, first) = self.index_of(of).await?;
        let name = format!("{:08x}", fastrand::u32(..));
        let total = items.iter().map(|items| items.len() as u64).sum();
        let chunks: Vec<Chunk> = (1..).zip(items).map(|(number, items)| Chunk::new(number, items)).collect();
        let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        store::put_chunks(&self.library.base.store, of.tenant, &job, &name, &chunks).await?;
        self.adopt(of, job, Plan { name, chunks: count, total, wave: None, first }, None).await
    }

    async fn adopt(&self, of: Of<'_>, job: Job, plan: Plan, file: Option<&JobFile>) -> Result<()> {
        let by = self.stamp(&job);
        let job = store::adopt(&self.library.base.store, of.tenant, of.id, &plan, file, by).await?;
        match &job.plan {
            Some(plan) if plan.chunks > 0 => self.release(of, &job, &plan.begin()).await,
            Some(_) => self.finish(of, job).await,
            None => Ok(()),
        }
    }

    /// Ends a job whose planning has failed as often as a step is tried.
    pub(crate) async fn give_up_planning(&self, of: Of<'_>) -> Result<()> {
        let job = store::get(&self.library.base.store, of.tenant, of.id, self.clock.now()).await?;
        if let Some(plan) = job.plan.as_ref().filter(|_| !job.state.is_ended()) {
            // It was planned; only its first messages could not be sent.
            return self.release(of, &job, &plan.begin()).await;
        }
        let detail = "Its items could not be found, however often that was tried; start it again.";
        self.refuse(of, job, Problem::new("planning_failed", detail)).await
    }

    /// Ends a job that can't be planned.
    async fn refuse(&self, of: Of<'_>, mut job: Job, problem: Problem) -> Result<()> {
        let store = &self.library.base.store;
        while !job.state.is_ended() && job.plan.is_none() {
            let ending = Ending { state: State::Failed, problem: Some(problem.clone()), skipped: 0 };
            match store::finish(store, of.tenant, &job, ending, self.stamp(&job)).await? {
                Written::Done(_) => break,
                Written::Refused(now) => job = now,
            }
        }
        Ok(())
    }

    async fn page(&self, of: Of<'_>, spec: &Spec, after: Option<&str>) -> Result<Page> {
        let store = &self.library.base.store;
        let own = Vec::new();
        match &spec.items {
            ItemSelection::Content(_) | ItemSelection::Upload(_) => {
                Err(Error::internal("a file has no pages"))
            }
            ItemSelection::Ids(ids) => Ok(Page { ids: ids.clone(), chunks: own, next: None }),
            ItemSelection::All => {
                let page = list(store, of.tenant, Order::OldestFirst, after, LISTED).await?;
                let ids = page.items.iter().filter_map(|row| row.id.parse().ok()).collect();
                Ok(Page { ids, chunks: own, next: page.next_cursor })
            }
            ItemSelection::Filter(filter) => self.found(of, filter, after).await,
            ItemSelection::ChangedBy(parent) => {
                let (chunks, next) = self.chunks_of(of, parent, after).await?;
                let changed = |chunk: &Chunk| {
                    let ids = crate::revert::changed(chunk);
                    (!ids.is_empty()).then_some((Items::Agents(ids), Some(chunk.number)))
                };
                Ok(Page { ids: Vec::new(), chunks: chunks.iter().filter_map(changed).collect(), next })
            }
            ItemSelection::LeftBy(parent) => {
                let (chunks, next) = self.chunks_of(of, parent, after).await?;
                let (mut ids, mut own) = (Vec::new(), own);
                for left in chunks.iter().filter_map(store::retried) {
                    match left {
                        // Templates stay before agents.
                        Items::Agents(left) if matches!(spec.what, What::Export { .. }) => {
                            own.push((Items::Agents(left), None));
                        }
                        Items::Agents(left) => ids.extend(left),
                        other => own.push((other, None)),
                    }
                }
                Ok(Page { ids, chunks: own, next })
            }
        }
    }

    async fn found(&self, of: Of<'_>, filter: &FilterDocument, after: Option<&str>) -> Result<Page> {
        // Oldest first, so that what is made meanwhile comes last.
        let search = SearchDocument::read(json!({"filter": filter, "sort": "created_at"}))?;
        let wanted = Wanted {
            filter: &search.filter,
            sort: search.sort,
            after: after.map(ToOwned::to_owned),
            limit: SEARCHED,
            reads_max: READS_MAX,
        };
        let found = Box::pin(find(&self.library.base.store, of.tenant, wanted)).await?;
        let ids = found.cards.into_iter().map(|card| card.id).collect();
        Ok(Page { ids, chunks: Vec::new(), next: found.next })
    }

    /// Some chunks of another job, and where to go on.
    async fn chunks_of(
        &self,
        of: Of<'_>,
        parent: &JobId,
        after: Option<&str>,
    ) -> Result<(Vec<Chunk>, Option<String>)> {
        let store = &self.library.base.store;
        let parent = store::get(store, of.tenant, parent, self.clock.now()).await;
        let parent = match parent {
            Ok(parent) => parent,
            // It was forgotten meanwhile.
            Err(Error::NotFound(_)) => return Ok((Vec::new(), None)),
            Err(error) => return Err(error),
        };
        let Some(plan) = &parent.plan else {
            return Ok((Vec::new(), None));
        };
        let from: u32 = after.and_then(|after| after.parse().ok()).unwrap_or(1);
        let limit = i32::try_from(CHUNKS_READ).unwrap_or(i32::MAX);
        let chunks = store::list_chunks(store, of.tenant, &parent.id, &plan.name, from, limit).await?;
        let next = chunks.last().map(|chunk| chunk.number + 1).filter(|next| *next <= plan.chunks);
        Ok((chunks, next.map(|next| next.to_string())))
    }
}
