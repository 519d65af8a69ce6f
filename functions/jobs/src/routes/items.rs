//! `GET /v1/jobs/{job_id}/items`: a page over the job's chunks.

use agent_management::error::{Error, Result};
use agent_management::http::caller::Scope;
use agent_management::http::{Call, Reply};
use agent_management::id::{JobId, TenantId};
use agent_management::job::store::{self, Chunk};
use agent_management::job::{Decision, Item, ItemView, Job, Outcome};
use agent_management::page::{Binding, Page};

use crate::Jobs;

/// How many chunks a page reads at most: one of rare outcomes may be short, even empty, and have a cursor.
const CHUNKS_READ: i32 = 20;
/// The most bytes of patches in a page: an answer has 6 MB at most.
const PATCHES_MAX_BYTES: usize = 3 * 1024 * 1024;
/// The distance between the first indexes of two chunks.
const CHUNK_SPAN: u64 = 100;

pub async fn items(jobs: &Jobs, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let tenant = &caller.tenant;
    let parameters = call.parameters(&["limit", "cursor", "outcome"])?;
    let limit = usize::try_from(parameters.limit()?).unwrap_or(usize::MAX);
    let wanted = wanted(parameters.get("outcome"))?;
    let id: JobId = call.param("job_id", "job")?;
    let bound_to = parameters.get("outcome").unwrap_or_default();
    let binding = Binding::new(&[tenant.as_str(), "job items", id.as_str(), bound_to]);
    let from = parameters.get("cursor").map(|cursor| binding.decode_number(cursor)).transpose()?.unwrap_or(0);
    let job = store::get(&jobs.base.store, tenant, &id, call.now).await?;
    let mut page = page(jobs, tenant, &job, &wanted, from, limit).await?;
    if !caller.has(Scope::AgentsRead) {
        // Both may hold what the agents say.
        for item in &mut page.items {
            item.patch = None;
            item.problem.iter_mut().for_each(|problem| problem.errors.clear());
        }
    }
    let next_cursor = page.next_cursor.map(|next| binding.encode(&next));
    Reply::ok(&Page { items: page.items, next_cursor })
}

fn wanted(outcomes: Option<&str>) -> Result<Vec<Outcome>> {
    let invalid = |_| {
        let detail =
            format!("must be some of {}, separated by commas", Outcome::ALL.map(Outcome::as_str).join(", "));
        Error::InvalidParameter { name: "outcome", detail }
    };
    let names = outcomes.into_iter().flat_map(|outcomes| outcomes.split(','));
    names.map(|name| name.parse().map_err(invalid)).collect()
}

async fn page(
    jobs: &Jobs,
    tenant: &TenantId,
    job: &Job,
    wanted: &[Outcome],
    from: u64,
    limit: usize,
) -> Result<Page<ItemView>> {
    let Some(plan) = &job.plan else {
        return Ok(Page { items: Vec::new(), next_cursor: None });
    };
    let first = u32::try_from(from / CHUNK_SPAN + 1).map_err(|_| Error::InvalidCursor)?;
    // As many as a page has room for, as large as they are on the average, and one that is begun.
    let average = (plan.total / u64::from(plan.chunks.max(1))).max(1);
    let fill = i32::try_from(limit as u64 / average + 2).unwrap_or(CHUNKS_READ);
    let chunks_read = if wanted.is_empty() { fill } else { CHUNKS_READ.max(fill) };
    let store = &jobs.base.store;
    let chunks = store::list_chunks(store, tenant, &job.id, &plan.name, first, chunks_read).await?;
    let (mut items, mut patches_bytes) = (Vec::new(), 0);
    for chunk in &chunks {
        let mut patches = None;
        for (offset, (name, item)) in chunk.items.names().into_iter().zip(became(job, chunk)).enumerate() {
            let index = u64::from(chunk.number - 1) * CHUNK_SPAN + offset as u64;
            if index < from || !(wanted.is_empty() || wanted.contains(&item.outcome)) {
                continue;
            }
            if items.len() >= limit {
                return Ok(Page { items, next_cursor: Some(index.to_string()) });
            }
            if job.is_dry_run && item.outcome == Outcome::Changed && patches.is_none() {
                let decided = store::get_decisions(store, tenant, &job.id, &plan.name, chunk.number).await?;
                patches = Some(decided.map(|decided| decided.items).unwrap_or_default());
            }
            let patch = patches.as_ref().and_then(|decisions: &Vec<Decision>| match decisions.get(offset) {
                Some(Decision::Verdict { patch, .. }) => patch.clone(),
                Some(Decision::Move { .. } | Decision::Make { .. }) | None => None,
            });
            let bytes = patch.as_ref().map_or(0, |patch| patch.to_string().len());
            if !items.is_empty() && patches_bytes + bytes > PATCHES_MAX_BYTES {
                return Ok(Page { items, next_cursor: Some(index.to_string()) });
            }
            patches_bytes += bytes;
            items.push(ItemView::new(index, name, item, patch));
        }
    }
    let next = chunks.last().map(|chunk| chunk.number + 1).filter(|next| *next <= plan.chunks);
    Ok(Page { items, next_cursor: next.map(|next| (u64::from(next - 1) * CHUNK_SPAN).to_string()) })
}

/// What became of a chunk's items, as far as it has come to its end.
fn became(job: &Job, chunk: &Chunk) -> Vec<Item> {
    if let Some(outcomes) = &chunk.outcomes {
        return outcomes.clone();
    }
    let outcome = if job.stuck.contains(&chunk.number) {
        Outcome::Stuck
    } else if job.state.is_ended() || job.is_behind(chunk.number) {
        Outcome::Skipped
    } else {
        Outcome::Pending
    };
    vec![Item::new(outcome); chunk.items.len()]
}
