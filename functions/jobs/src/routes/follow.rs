//! `POST /v1/jobs/{job_id}/cancel`, `/retry-failed` and `/revert`: what follows a job.

use agent_management::agent::Stamp;
use agent_management::creation::Request;
use agent_management::error::{Error, Result};
use agent_management::http::{Call, Reply};
use agent_management::id::{JobId, TenantId};
use agent_management::job::store::{self, Written};
use agent_management::job::{Job, Kind, RevertDocument, Spec, State};
use agent_management::json;

use super::accepted;
use super::start::{begin, require};
use crate::Jobs;

pub async fn cancel(jobs: &Jobs, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    call.nothing_said()?;
    let id: JobId = call.param("job_id", "job")?;
    let store = &jobs.base.store;
    // What has expired is not there, though it may not have been removed yet.
    store::get(store, &caller.tenant, &id, call.now).await?;
    let by = Stamp { at: call.now, by: caller.user.clone() };
    match store::cancel(store, &caller.tenant, &id, by).await? {
        Written::Done(job) => accepted(&job),
        // It was asked to before.
        Written::Refused(job) if job.cancelled.is_some() => accepted(&job),
        Written::Refused(job) => {
            Err(Error::Conflict(format!("The job has ended: it is {}.", job.state.as_str())))
        }
    }
}

pub async fn retry_failed(jobs: &Jobs, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    call.nothing_said()?;
    let tenant = &call.caller()?.tenant;
    let job = ended(jobs, tenant, call).await?;
    let left = job.counts.failed() + job.counts.skipped + job.stuck_items;
    let spec = store::get_spec(&jobs.base.store, tenant, &job.id).await?;
    if left == 0 || job.kind == Kind::RebuildIndex {
        return Err(Error::Conflict("The job has left nothing to try again.".to_owned()));
    }
    if job.kind == Kind::Revert {
        let detail = "What was changed since can't be taken back; revert the first job again for the rest.";
        return Err(Error::Conflict(detail.to_owned()));
    }
    let said = job.id.to_string();
    let request = Request {
        route: "POST /v1/jobs/{job_id}/retry-failed",
        idempotency_key: call.idempotency_key()?,
        said: &said,
    };
    begin(jobs, call, &spec.retrying(&job.id), &request).await
}

pub async fn revert(jobs: &Jobs, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let document = call.json_or_empty()?;
    let id: JobId = call.param("job_id", "job")?;
    let said = format!("{id} {document}");
    let RevertDocument { dry_run } = json::read(document)?;
    let job = ended(jobs, &caller.tenant, call).await?;
    if job.is_dry_run {
        return Err(Error::Conflict("A dry run has changed nothing.".to_owned()));
    }
    if !job.kind.is_revertible() {
        let detail = format!("What {} does can't be taken back.", job.kind.as_str());
        return Err(Error::Conflict(detail));
    }
    let spec = store::get_spec(&jobs.base.store, &caller.tenant, &job.id).await?;
    require(caller, &spec.what)?;
    let request = Request {
        route: "POST /v1/jobs/{job_id}/revert",
        idempotency_key: call.idempotency_key()?,
        said: &said,
    };
    begin(jobs, call, &Spec::reverting(&job.id, dry_run), &request).await
}

/// The job in the path, if it has ended.
async fn ended(jobs: &Jobs, tenant: &TenantId, call: &Call) -> Result<Job> {
    let id: JobId = call.param("job_id", "job")?;
    let job = store::get(&jobs.base.store, tenant, &id, call.now).await?;
    match job.state {
        State::Queued | State::Planning | State::Running => {
            Err(Error::Conflict("The job has not ended yet; cancel it, or wait.".to_owned()))
        }
        State::Succeeded | State::Failed | State::Cancelled => Ok(job),
    }
}
