//! Jobs, their items, and what follows them; imports.

use super::{CURSOR, ENTITLED, IDEMPOTENCY_KEY, IF_NONE_MATCH, LIMIT, OF_ONE, empty, jobs, json, schema};
use crate::http::caller::Scope;
use crate::http::documents::NothingSaid;
use crate::http::problem::ProblemCode as P;
use crate::http::routes::{
    Answer, Body, JobsOperation as Jobs, Method, Parameter, ParameterSchema, Place, Route,
};
use crate::job::import::{ImportDocument, ImportPreview, ImportPreviewDocument, UploadView};
use crate::job::{ItemView, JobDocument, JobFileView, JobSummary, JobView, Outcome, RevertDocument};
use crate::page::Page;

const OUTCOMES: &[&str] = &{
    let mut names = [""; Outcome::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = Outcome::ALL[index].as_str();
        index += 1;
    }
    names
};
const OUTCOME: Parameter = Parameter {
    name: "outcome",
    place: Place::Query,
    is_required: false,
    schema: ParameterSchema::SomeOf(OUTCOMES),
    description: "Only items with these outcomes, separated by commas. Such a page may be short, even empty, and \
                  have a cursor.",
};

const fn job(status: u16, description: &'static str) -> Answer {
    Answer { has_etag: true, ..json(status, description, schema::<JobView<'static>>()) }
}

pub(super) static ROUTES: &[Route] = &[
    Route::scoped(
        Method::Post,
        "/v1/jobs",
        jobs(Jobs::Start),
        Scope::JobsWrite,
        "Start a job. Needs the scopes that its kind needs of one agent, too",
    )
    .reading(Body::Json(schema::<JobDocument>()))
    .with(&[IDEMPOTENCY_KEY])
    .answering(&[job(202, "The job, which has not begun")])
    .refusing(&[ENTITLED, &[P::IdempotencyKeyReused]]),
    Route::scoped(Method::Get, "/v1/jobs", jobs(Jobs::List), Scope::JobsRead, "List jobs, newest first")
        .with(&[LIMIT, CURSOR])
        .answering(&[json(200, "A page", schema::<Page<JobSummary>>())])
        .refusing(&[&[P::InvalidCursor]]),
    Route::scoped(Method::Get, "/v1/jobs/{job_id}", jobs(Jobs::Get), Scope::JobsRead, "Get a job")
        .with(&[IF_NONE_MATCH])
        .answering(&[job(200, "The job"), Answer { has_etag: true, ..empty(304, "Unchanged") }])
        .refusing(&[OF_ONE]),
    Route::scoped(
        Method::Get,
        "/v1/jobs/{job_id}/items",
        jobs(Jobs::Items),
        Scope::JobsRead,
        "List a job's items and what became of each",
    )
    .with(&[LIMIT, CURSOR, OUTCOME])
    .answering(&[json(200, "A page", schema::<Page<ItemView>>())])
    .refusing(&[OF_ONE, &[P::InvalidCursor]]),
    Route::scoped(
        Method::Get,
        "/v1/jobs/{job_id}/file",
        jobs(Jobs::File),
        Scope::JobsRead,
        "Ask where to fetch the file that a job has written. Needs the scope `agents:read`, too",
    )
    .answering(&[json(200, "Where it is, for ten minutes", schema::<JobFileView<'static>>())])
    .refusing(&[OF_ONE, &[P::Conflict]]),
    Route::scoped(
        Method::Post,
        "/v1/imports",
        jobs(Jobs::Import),
        Scope::JobsWrite,
        "Start a job that makes agents of a file. Needs the scope `agents:write`, too, and what its options say",
    )
    .reading(Body::Json(schema::<ImportDocument>()))
    .with(&[IDEMPOTENCY_KEY])
    .answering(&[job(202, "The job, which has not begun")])
    .refusing(&[&[P::IdempotencyKeyReused]]),
    Route::scoped(
        Method::Post,
        "/v1/imports/uploads",
        jobs(Jobs::BeginUpload),
        Scope::JobsWrite,
        "Ask where to send a file that is to be imported. Needs the scope `agents:write`, too",
    )
    .reading(Body::Optional(schema::<NothingSaid>()))
    .answering(&[json(201, "Where to send it", schema::<UploadView>())]),
    Route::scoped(
        Method::Post,
        "/v1/imports/preview",
        jobs(Jobs::PreviewImport),
        Scope::JobsRead,
        "See what a file would become, and where each leaf of it goes",
    )
    .only_reading()
    .reading(Body::Json(schema::<ImportPreviewDocument>()))
    .answering(&[json(200, "What it would become", schema::<ImportPreview>())]),
    Route::scoped(
        Method::Post,
        "/v1/jobs/{job_id}/cancel",
        jobs(Jobs::Cancel),
        Scope::JobsWrite,
        "Ask a job to end once what is under way has ended",
    )
    .reading(Body::Optional(schema::<NothingSaid>()))
    .answering(&[job(202, "The job")])
    .refusing(&[OF_ONE, &[P::Conflict]]),
    Route::scoped(
        Method::Post,
        "/v1/jobs/{job_id}/retry-failed",
        jobs(Jobs::RetryFailed),
        Scope::JobsWrite,
        "Do the same once more with the items of a job that has ended without changing them",
    )
    .reading(Body::Optional(schema::<NothingSaid>()))
    .with(&[IDEMPOTENCY_KEY])
    .answering(&[job(202, "The new job")])
    .refusing(&[OF_ONE, &[P::Conflict, P::IdempotencyKeyReused]]),
    Route::scoped(
        Method::Post,
        "/v1/jobs/{job_id}/revert",
        jobs(Jobs::Revert),
        Scope::JobsWrite,
        "Take back what a job has changed, where nothing else has changed it since",
    )
    .reading(Body::Optional(schema::<RevertDocument>()))
    .with(&[IDEMPOTENCY_KEY])
    .answering(&[job(202, "The new job")])
    .refusing(&[OF_ONE, &[P::Conflict, P::IdempotencyKeyReused]]),
];
