//! `POST /v1/imports/uploads` and `GET /v1/jobs/{job_id}/file`: files that clients send to the bucket and fetch from
//! it themselves.

use std::time::Duration;

use agent_management::clock::rfc3339;
use agent_management::error::{Error, Result};
use agent_management::files::{UploadForm, job_key, upload_key};
use agent_management::http::caller::Scope;
use agent_management::http::{Call, Reply};
use agent_management::id::{JobId, UploadId};
use agent_management::job::import::{UPLOAD_FORM_AGE_S, UPLOAD_MAX_BYTES, UploadView};
use agent_management::job::{JobFileView, Kind, store};
use http::StatusCode;
use jiff::SignedDuration;

use crate::Jobs;

/// How long a link is good for: a moment, since whoever has it needs nothing else.
const LINK_AGE: Duration = Duration::from_mins(10);

pub fn begin_upload(jobs: &Jobs, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    call.nothing_said()?;
    caller.require(Scope::AgentsWrite)?;
    let upload = UploadId::generate(call.now);
    let expires_at = call.now + SignedDuration::from_secs(UPLOAD_FORM_AGE_S);
    let key = upload_key(&caller.tenant, &upload);
    let UploadForm { url, fields } = jobs.signer.upload_form(&key, UPLOAD_MAX_BYTES, call.now, expires_at);
    let view = UploadView {
        id: upload.to_string(),
        url,
        fields,
        max_bytes: UPLOAD_MAX_BYTES,
        expires_at: rfc3339(expires_at),
    };
    Reply::json(StatusCode::CREATED, &view)
}

pub async fn file(jobs: &Jobs, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let id: JobId = call.param("job_id", "job")?;
    let job = store::get(&jobs.base.store, &caller.tenant, &id, call.now).await?;
    // It says what the agents say.
    caller.require(Scope::AgentsRead)?;
    if job.kind == Kind::ExportAgents && !job.state.is_ended() {
        return Err(Error::Conflict("The job has not written its file yet.".to_owned()));
    }
    let file = job.file.as_ref().ok_or(Error::NotFound("file"))?;
    let has_templates = job.result.as_ref().is_some_and(|result| result["templates"].as_u64() > Some(0));
    if has_templates && job.kind == Kind::ExportAgents {
        caller.require(Scope::TemplatesRead)?;
    }
    let key = job_key(&caller.tenant, &job.id, &file.object);
    let expires_at = call.now + SignedDuration::try_from(LINK_AGE).unwrap_or_default();
    Reply::ok(&JobFileView {
        name: &file.name,
        content_type: file.content_type(),
        bytes: file.bytes,
        url: jobs.signer.link(&key, file, LINK_AGE, call.now),
        expires_at: rfc3339(expires_at),
    })
}
