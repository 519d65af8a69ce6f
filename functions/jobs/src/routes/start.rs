//! `POST /v1/jobs`, `POST /v1/imports`, and what an import would come to.

use agent_management::agent::NewAgent;
use agent_management::creation::{Creation, Repetition, Request};
use agent_management::error::{Error, Result};
use agent_management::http::caller::{Caller, Scope};
use agent_management::http::{Call, Reply};
use agent_management::import::{self, Imported, ImportedTemplate};
use agent_management::job::import::{
    ImportDocument, ImportPreview, ImportPreviewDocument, PreviewedAgent, PreviewedTemplate, text_of,
};
use agent_management::job::store::{self, Insertion};
use agent_management::job::{CHUNKS_MAX, Job, JobDocument, Spec, Taken, What};
use agent_management::template::TemplateContent;
use agent_management::tier::{self, LimitName};
use agent_management::violation::Violation;

use super::accepted;
use crate::Jobs;

/// The most bytes of a preview: Lambda answers 6 MB.
const PREVIEW_MAX_BYTES: usize = 5 * 1024 * 1024;

/// `POST /v1/imports`.
pub async fn import(jobs: &Jobs, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    let document = call.json()?;
    let said = document.to_string();
    let spec = ImportDocument::read(document)?;
    let idempotency_key = call.idempotency_key()?;
    let request = Request { route: "POST /v1/imports", idempotency_key, said: &said };
    begin(jobs, call, &spec, &request).await
}

/// `POST /v1/imports/preview`: what a file would become, and where each leaf of it goes.
pub fn preview(jobs: &Jobs, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let said = ImportPreviewDocument::read(call.json()?)?;
    let taken = said.taken();
    let options = import::Options {
        default_model: said.default_model.as_deref(),
        versions: taken.versions,
        templates: taken.templates,
    };
    let reading = import::read(said.format, &text_of(&said.content), options)?;
    let limits = jobs.base.tiers.limits(&caller.entitlements);
    let previewed = |Imported { source_id, document, beside }: Imported| {
        let violations = match NewAgent::read(document.clone()) {
            Ok(new) => tier::violations(&jobs.base.tiers, &limits, &new.content),
            Err(Error::Invalid(violations)) => violations,
            Err(error) => return Err(error),
        };
        Ok(PreviewedAgent { source_id, document, beside, violations })
    };
    let agents = reading.agents.into_iter().map(previewed).collect::<Result<Vec<_>>>()?;
    let previewed = |ImportedTemplate { source_id, document, versions }: ImportedTemplate| {
        let violations = match TemplateContent::read(document.clone()) {
            Ok(_) => Vec::new(),
            Err(Error::Invalid(violations)) => violations,
            Err(error) => return Err(error),
        };
        Ok(PreviewedTemplate { source_id, document, versions, violations })
    };
    let templates = reading.templates.into_iter().map(previewed).collect::<Result<Vec<_>>>()?;
    let preview = serde_json::to_string(&ImportPreview { templates, agents, fidelity: reading.fidelity });
    let preview = preview.map_err(|_| Error::internal("a preview is no JSON"))?;
    if preview.len() > PREVIEW_MAX_BYTES {
        let detail = "what it becomes is too much for one answer; ask about fewer agents at a time";
        let violation = Violation::new("/content", "too_large", detail);
        return Err(Error::Invalid(vec![violation.exceeding(PREVIEW_MAX_BYTES, preview.len())]));
    }
    Reply::ok(&serde_json::value::RawValue::from_string(preview).map_err(|_| Error::internal("no JSON"))?)
}

pub async fn start(jobs: &Jobs, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    let document = call.json()?;
    let said = document.to_string();
    let spec = JobDocument::read(document)?;
    let request = Request { route: "POST /v1/jobs", idempotency_key: call.idempotency_key()?, said: &said };
    begin(jobs, call, &spec, &request).await
}

/// Writes a job, from where it starts by itself.
pub async fn begin(jobs: &Jobs, call: &Call, spec: &Spec, request: &Request<'_>) -> Result<Reply> {
    let caller = call.caller()?;
    require(caller, &spec.what)?;
    let id = Job::id_for(&caller.tenant, &caller.user, request, call.now);
    let creation = Creation::new(&caller.user, request, call.now);
    let job = Job::new(id, spec, &caller.user, call.now);
    let excess = refuse_too_many(jobs, caller, spec);
    if excess.is_err() {
        // Unless this request started it before, when the tier admitted it.
        let earlier = store::get_creation(&jobs.base.store, &caller.tenant, &job.id).await?;
        return match earlier {
            Some((job, earlier)) => replayed(&job, creation, earlier),
            None => excess.and_then(|()| accepted(&job)),
        };
    }
    match store::insert(&jobs.base.store, &caller.tenant, &job, spec, creation).await? {
        Insertion::Done => accepted(&job),
        Insertion::Exists(job, earlier) => replayed(&job, creation, earlier),
    }
}

fn replayed(job: &Job, creation: Creation, earlier: Option<Creation>) -> Result<Reply> {
    match earlier.map(|earlier| creation.compare(earlier)) {
        Some(Repetition::Replay) => Ok(accepted(job)?.replayed()),
        Some(Repetition::Reuse) => Err(Error::IdempotencyKeyReused),
        Some(Repetition::Unrelated) | None => Err(Error::internal("a job's id is taken")),
    }
}

/// Passes where the caller may do with one agent what the job does with many.
///
/// # Errors
/// [`Error::InsufficientScope`].
pub fn require(caller: &Caller, what: &What) -> Result<()> {
    match what {
        What::Update { .. } | What::Archive | What::Delete { .. } | What::RebuildIndex | What::Revert => {
            caller.require(Scope::AgentsWrite)
        }
        What::Import { taken: Taken { versions, templates }, .. } => {
            caller.require(Scope::AgentsWrite)?;
            let publishing = [(*versions, Scope::AgentsPublish), (*templates, Scope::TemplatesWrite)];
            publishing
                .into_iter()
                .filter(|(is_asked, _)| *is_asked)
                .try_for_each(|(_, scope)| caller.require(scope))
        }
        What::Export { taken, .. } => {
            caller.require(Scope::AgentsRead)?;
            if taken.templates { caller.require(Scope::TemplatesRead) } else { Ok(()) }
        }
        What::Upgrade { .. } => {
            caller.require(Scope::AgentsWrite)?;
            caller.require(Scope::TemplatesRead)
        }
    }
}

/// Passes where as many items are named as a job of the tier may have. What a filter finds is counted when the
/// job is planned.
fn refuse_too_many(jobs: &Jobs, caller: &Caller, spec: &Spec) -> Result<()> {
    let Some(named) = spec.named() else {
        return Ok(());
    };
    let (size, _) = spec.cut();
    let chunks_max = usize::try_from(CHUNKS_MAX).unwrap_or(usize::MAX);
    if named.div_ceil(size) > chunks_max {
        let detail = format!("makes more than {CHUNKS_MAX} chunks of so many items");
        return Err(Error::Invalid(vec![Violation::new("/wave_size", "out_of_range", detail)]));
    }
    let limits = jobs.base.tiers.limits(&caller.entitlements);
    if limits.admits(LimitName::JobItems, named as u64) {
        return Ok(());
    }
    let violation = Violation::new("/selector/ids", "job_items", "the tier admits fewer items of a job")
        .exceeding(limits.get(LimitName::JobItems).unwrap_or_default(), named)
        .admitted_by(jobs.base.tiers.lowest_admitting(LimitName::JobItems, named as u64));
    Err(Error::Entitlement(vec![violation]))
}
