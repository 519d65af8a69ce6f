//! Templates, their versions, and the agents that follow them.

use super::{
    CHANGE, CREATION, CURSOR, ENTITLED, FORCE, GUARDED, IDEMPOTENCY_KEY, IF_MATCH, IF_MATCH_REQUIRED,
    IF_NONE_MATCH, LIMIT, OF_ONE, PUBLISH, agent, empty, json, query, schema, templates,
};
use crate::agent::version::Release;
use crate::agent::{AgentView, Summary};
use crate::http::caller::Scope;
use crate::http::problem::ProblemCode as P;
use crate::http::routes::{Answer, Body, Method, Parameter, Route, TemplatesOperation as Templates};
use crate::page::Page;
use crate::template::drift::{Drift, DriftDocument, UpgradeDocument, UpgradeView};
use crate::template::{
    InstantiateDocument, RenderDocument, RenderingView, TemplateContent, TemplatePublication,
    TemplateSummary, TemplateVersionSummary, TemplateVersionView, TemplateView,
};

const VISIBILITY: Parameter = query(
    "visibility",
    r#"{"type": "string", "enum": ["private", "public"]}"#,
    "Only the tenant's own, or only the service's.",
);
const PREVIEW: Parameter = query(
    "preview",
    r#"{"type": "string", "enum": ["true", "false"], "default": "false"}"#,
    "Answer what the upgrade would lead to, and change nothing.",
);

const fn template(status: u16, description: &'static str) -> Answer {
    Answer { has_etag: true, ..json(status, description, schema::<TemplateView<'static>>()) }
}

const fn publication(status: u16, description: &'static str) -> Answer {
    Answer { has_etag: true, ..json(status, description, schema::<TemplatePublication<'static>>()) }
}

pub(super) static ROUTES: &[Route] = &[
    Route::scoped(
        Method::Post,
        "/v1/templates",
        templates(Templates::Create),
        Scope::TemplatesWrite,
        "Create a template",
    )
    .reading(Body::Json(schema::<TemplateContent>()))
    .with(&[IDEMPOTENCY_KEY])
    .answering(&[template(201, "The new template")])
    .refusing(&[ENTITLED, &[P::Deleted, P::IdempotencyKeyReused]]),
    Route::scoped(
        Method::Get,
        "/v1/templates",
        templates(Templates::List),
        Scope::TemplatesRead,
        "List templates: the tenant's own, newest first, and then the service's",
    )
    .with(&[LIMIT, CURSOR, VISIBILITY])
    .answering(&[json(200, "A page", schema::<Page<TemplateSummary>>())])
    .refusing(&[&[P::InvalidCursor]]),
    Route::scoped(
        Method::Get,
        "/v1/templates/{template_id}",
        templates(Templates::Get),
        Scope::TemplatesRead,
        "Get a template",
    )
    .with(&[IF_NONE_MATCH])
    .answering(&[template(200, "The template"), Answer { has_etag: true, ..empty(304, "Unchanged") }])
    .refusing(&[OF_ONE]),
    Route::scoped(
        Method::Patch,
        "/v1/templates/{template_id}",
        templates(Templates::Patch),
        Scope::TemplatesWrite,
        "Change a template's draft",
    )
    .reading(Body::Patch)
    .with(&[IF_MATCH_REQUIRED])
    .answering(&[template(200, "The template as it is now")])
    .refusing(&[CHANGE, GUARDED]),
    Route::scoped(
        Method::Delete,
        "/v1/templates/{template_id}",
        templates(Templates::Delete),
        Scope::TemplatesWrite,
        "Delete a template, with its versions",
    )
    .with(&[FORCE, IF_MATCH_REQUIRED])
    .answering(&[empty(204, "Deleted")])
    .refusing(&[CHANGE, GUARDED, &[P::HasDependents]]),
    Route::scoped(
        Method::Post,
        "/v1/templates/{template_id}/publish",
        templates(Templates::Publish),
        Scope::TemplatesWrite,
        "Make a version of a template's draft",
    )
    .reading(Body::Optional(schema::<Release>()))
    .with(&[IF_MATCH, IDEMPOTENCY_KEY])
    .answering(&[
        publication(201, "The new version"),
        publication(200, "The draft is the last version already"),
    ])
    .refusing(&[CHANGE, &[P::IdempotencyKeyReused]]),
    Route::scoped(
        Method::Get,
        "/v1/templates/{template_id}/versions",
        templates(Templates::Versions),
        Scope::TemplatesRead,
        "List a template's versions, newest first",
    )
    .with(&[LIMIT, CURSOR])
    .answering(&[json(200, "A page", schema::<Page<TemplateVersionSummary>>())])
    .refusing(&[OF_ONE, &[P::InvalidCursor]]),
    Route::scoped(
        Method::Get,
        "/v1/templates/{template_id}/versions/{version}",
        templates(Templates::Version),
        Scope::TemplatesRead,
        "Get a version of a template",
    )
    .answering(&[json(200, "The version", schema::<TemplateVersionView<'static>>())])
    .refusing(&[OF_ONE]),
    Route::scoped(
        Method::Post,
        "/v1/templates/{template_id}/render",
        templates(Templates::Render),
        Scope::TemplatesRead,
        "See what a template makes of variables, and what is wrong with it",
    )
    .only_reading()
    .reading(Body::Optional(schema::<RenderDocument>()))
    .answering(&[json(200, "The rendering", schema::<RenderingView<'static>>())])
    .refusing(&[OF_ONE, &[P::Conflict]]),
    Route::scoped(
        Method::Post,
        "/v1/templates/{template_id}/instantiate",
        templates(Templates::Instantiate),
        Scope::AgentsWrite,
        "Make an agent from a template. Needs the scope `templates:read`, too",
    )
    .reading(Body::Optional(schema::<InstantiateDocument>()))
    .with(&[PUBLISH, IDEMPOTENCY_KEY])
    .answering(&[agent(201, "The new agent")])
    .refusing(&[OF_ONE, ENTITLED, CREATION, &[P::Unpublished]]),
    Route::scoped(
        Method::Get,
        "/v1/templates/{template_id}/agents",
        templates(Templates::Agents),
        Scope::TemplatesRead,
        "List the agents that were made from a template. Needs the scope `agents:read`, too",
    )
    .with(&[LIMIT, CURSOR])
    .answering(&[json(200, "A page", schema::<Page<Summary>>())])
    .refusing(&[OF_ONE, &[P::InvalidCursor]]),
    Route::scoped(
        Method::Post,
        "/v1/templates/{template_id}/drift",
        templates(Templates::Drift),
        Scope::TemplatesRead,
        "Compare an agent with the template that it was made from. Needs the scope `agents:read`, too",
    )
    .only_reading()
    .reading(Body::Json(schema::<DriftDocument>()))
    .answering(&[json(200, "What each side changed", schema::<Drift>())])
    .refusing(&[OF_ONE, &[P::Conflict, P::Unpublished]]),
    Route::scoped(
        Method::Post,
        "/v1/templates/{template_id}/upgrade",
        templates(Templates::Upgrade),
        Scope::AgentsWrite,
        "Bring an agent to another version of its template. Needs the scope `templates:read`, too",
    )
    .reading(Body::Json(schema::<UpgradeDocument>()))
    .with(&[PREVIEW, IF_MATCH])
    .answering(&[Answer {
        has_etag: true,
        ..json(
            200,
            "The agent, upgraded or as it would be",
            schema::<UpgradeView<'static, AgentView<'static>>>(),
        )
    }])
    .refusing(&[CHANGE, ENTITLED, &[P::MergeConflict, P::Unpublished]]),
];
