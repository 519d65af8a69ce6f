//! `GET /v1/jobs` and `GET /v1/jobs/{job_id}`.

use agent_management::error::Result;
use agent_management::http::{Call, Reply, precondition};
use agent_management::id::JobId;
use agent_management::job::{JobSummary, JobView, store};
use agent_management::page::{Binding, Page};
use http::StatusCode;

use super::AGAIN_S;
use crate::Jobs;

pub async fn list(jobs: &Jobs, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    let parameters = call.parameters(&["limit", "cursor"])?;
    let limit = parameters.limit()?;
    let binding = Binding::new(&[tenant.as_str(), "jobs"]);
    let after = parameters.get("cursor").map(|cursor| binding.decode(cursor)).transpose()?;
    let page = store::list(&jobs.base.store, tenant, after.as_deref(), limit, call.now).await?;
    let next_cursor = page.next_cursor.map(|place| binding.encode(&place));
    let items: Vec<JobSummary> = page.items.iter().map(JobSummary::from).collect();
    Reply::ok(&Page { items, next_cursor })
}

pub async fn get(jobs: &Jobs, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    call.parameters(&[])?;
    let id: JobId = call.param("job_id", "job")?;
    let job = store::get(&jobs.base.store, tenant, &id, call.now).await?;
    let reply = if precondition::is_unchanged(&call.headers, job.rev) {
        Reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        Reply::ok(&JobView::from(&job))?
    };
    let reply = reply.with_etag(job.rev);
    Ok(if job.state.is_ended() { reply } else { reply.with_retry_after(AGAIN_S) })
}
