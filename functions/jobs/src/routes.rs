//! Which handler answers which operation.

mod files;
mod follow;
mod get;
mod items;
mod start;

use agent_management::error::{Error, Result};
use agent_management::http::routes::{JobsOperation, Operation};
use agent_management::http::{Call, Reply};
use agent_management::job::{Job, JobView};
use http::StatusCode;

use crate::Jobs;

/// When to ask for a job again, in seconds.
const AGAIN_S: u32 = 1;

pub async fn dispatch(jobs: &Jobs, call: &Call) -> Result<Reply> {
    let Operation::Jobs(operation) = call.route.operation else {
        return Err(Error::internal("a route of another function"));
    };
    match operation {
        JobsOperation::Start => start::start(jobs, call).await,
        JobsOperation::Import => start::import(jobs, call).await,
        JobsOperation::BeginUpload => files::begin_upload(jobs, call),
        JobsOperation::File => files::file(jobs, call).await,
        JobsOperation::PreviewImport => start::preview(jobs, call),
        JobsOperation::List => get::list(jobs, call).await,
        JobsOperation::Get => get::get(jobs, call).await,
        JobsOperation::Items => items::items(jobs, call).await,
        JobsOperation::Cancel => follow::cancel(jobs, call).await,
        JobsOperation::RetryFailed => follow::retry_failed(jobs, call).await,
        JobsOperation::Revert => follow::revert(jobs, call).await,
    }
}

/// 202 with the job, its place, and when to ask again if it has not ended.
fn accepted(job: &Job) -> Result<Reply> {
    let reply = Reply::json(StatusCode::ACCEPTED, &JobView::from(job))?;
    let place = format!("/v1/jobs/{}", job.id);
    let reply = reply.with_etag(job.rev).with_location(&place);
    Ok(if job.state.is_ended() { reply } else { reply.with_retry_after(AGAIN_S) })
}
