//! The rows of the route table: a file per part of the API. Here is what rows are made of.

mod agents;
mod jobs;
mod search;
mod service;
mod templates;
mod versions;

use schemars::{JsonSchema, json_schema};

use super::{
    AgentsOperation, Answer, Content, JobsOperation, Operation, Parameter, ParameterSchema, Place, Route,
    SchemaOf, TemplatesOperation, WebhooksOperation,
};
use crate::agent::AgentView;
use crate::event::EventType;
use crate::http::problem::ProblemCode::{self, self as P};

/// Every route of the public API.
pub fn all() -> impl Iterator<Item = &'static Route> {
    [service::ROUTES, agents::ROUTES, versions::ROUTES, search::ROUTES, templates::ROUTES, jobs::ROUTES]
        .into_iter()
        .flatten()
}

pub(super) const fn schema<T: JsonSchema>() -> SchemaOf {
    |generator| generator.subschema_for::<T>()
}

/// A `T`, or with `fields` a part of one.
pub(super) const fn partial<T: JsonSchema>() -> SchemaOf {
    |generator| {
        let whole = generator.subschema_for::<T>();
        json_schema!({"anyOf": [whole, {"type": "object", "description": "With `fields`: what it names"}]})
    }
}

pub(super) const fn json(status: u16, description: &'static str, schema: SchemaOf) -> Answer {
    Answer { status, description, content: Content::Json(schema), has_etag: false }
}

pub(super) const fn agent(status: u16, description: &'static str) -> Answer {
    Answer { has_etag: true, ..json(status, description, schema::<AgentView<'static>>()) }
}

pub(super) const fn empty(status: u16, description: &'static str) -> Answer {
    Answer { status, description, content: Content::None, has_etag: false }
}

pub(super) const HTML: &[Answer] =
    &[Answer { status: 200, description: "The page", content: Content::Html, has_etag: false }];

pub(super) const fn query(name: &'static str, schema: &'static str, description: &'static str) -> Parameter {
    let schema = ParameterSchema::Json(schema);
    Parameter { name, place: Place::Query, is_required: false, schema, description }
}

pub(super) const fn header(name: &'static str, schema: &'static str, description: &'static str) -> Parameter {
    Parameter { place: Place::Header, ..query(name, schema, description) }
}

pub(super) const fn fields(names: &'static [&'static str]) -> Parameter {
    let description = "Names of members to answer, separated by commas; absent means all.";
    let schema = ParameterSchema::SomeOf(names);
    Parameter { name: "fields", place: Place::Query, is_required: false, schema, description }
}

pub(super) const IDEMPOTENCY_KEY: Parameter = header(
    "Idempotency-Key",
    r#"{"type": "string", "pattern": "^[!-~]{1,255}$"}"#,
    "Makes the request safe to repeat: a repetition answers what the first one made.",
);
pub(super) const IF_MATCH: Parameter = header(
    "If-Match",
    r#"{"type": "string", "pattern": "^[ ,]*(\\*|(W/)?\"[ !#-~]*\"( *,[ ,]*(W/)?\"[ !#-~]*\")*)?[ ,]*$", "examples": ["*"]}"#,
    "The ETag that the change is conditional on, or `*`.",
);
/// The same, and not empty.
pub(super) const IF_MATCH_REQUIRED: Parameter = Parameter {
    is_required: true,
    ..header(
        "If-Match",
        r#"{"type": "string", "pattern": "^[ ,]*(\\*|(W/)?\"[ !#-~]*\"( *,[ ,]*(W/)?\"[ !#-~]*\")*)[ ,]*$", "examples": ["*"]}"#,
        IF_MATCH.description,
    )
};
pub(super) const IF_NONE_MATCH: Parameter = header(
    "If-None-Match",
    r#"{"type": "string"}"#,
    "An ETag; the answer is 304 if it is still the resource's.",
);
pub(super) const CREATE_ONLY: Parameter = header(
    "If-None-Match",
    r#"{"type": "string", "enum": ["*"]}"#,
    "`*` asks for a creation: what is there already stays.",
);
pub(super) const LIMIT: Parameter = query(
    "limit",
    r#"{"type": "integer", "minimum": 1, "maximum": 100, "default": 20}"#,
    "The most rows of a page.",
);
pub(super) const CURSOR: Parameter = query(
    "cursor",
    r#"{"type": "string", "minLength": 1}"#,
    "`next_cursor` of the page before, of the same query.",
);
pub(super) const SORT: Parameter = query(
    "sort",
    r#"{"type": "string", "enum": ["-created_at", "created_at"], "default": "-created_at"}"#,
    "The order; a minus means descending.",
);
pub(super) const VALIDATE_ONLY: Parameter = query(
    "validate_only",
    r#"{"type": "string", "enum": ["true", "false"], "default": "false"}"#,
    "Answer what would be created, and create nothing.",
);
pub(super) const PUBLISH: Parameter = query(
    "publish",
    r#"{"type": "string", "enum": ["true", "false"], "default": "false"}"#,
    "Publish the new agent, too. Needs the scope `agents:publish`.",
);
pub(super) const FORCE: Parameter = query(
    "force",
    r#"{"type": "string", "enum": ["true", "false"], "default": "false"}"#,
    "Delete the agent although others depend on it.",
);

pub(super) const AFTER: Parameter = query(
    "after",
    r#"{"type": "string", "minLength": 1}"#,
    "A `cursor` of an event or a socket; absent means the oldest event that the tier keeps.",
);
pub(super) const TYPES: Parameter = Parameter {
    name: "types",
    place: Place::Query,
    is_required: false,
    schema: ParameterSchema::SomeOf(&EventType::NAMES),
    description: "Types of events, separated by commas; absent means all.",
};
pub(super) const LAST: Parameter = query(
    "last",
    r#"{"type": "integer", "minimum": 1, "maximum": 100}"#,
    "Only so many of the newest events, oldest first. Not together with `after` or `limit`.",
);
pub(super) const AGENT: Parameter = query(
    "agent",
    r#"{"type": "string", "pattern": "^agt_[0-7][0-9A-HJKMNP-TV-Z]{25}$"}"#,
    "The id of the agent whose events to list.",
);

/// What every route with a resource in its path refuses.
pub(super) const OF_ONE: &[ProblemCode] = &[P::NotFound];
/// What every change of one agent refuses.
pub(super) const CHANGE: &[ProblemCode] = &[P::NotFound, P::Conflict, P::PreconditionFailed];
pub(super) const GUARDED: &[ProblemCode] = &[P::PreconditionRequired];
pub(super) const ENTITLED: &[ProblemCode] = &[P::EntitlementExceeded];
pub(super) const CREATION: &[ProblemCode] = &[P::KeyTaken, P::Deleted, P::IdempotencyKeyReused];

pub(super) const fn agents(operation: AgentsOperation) -> Operation {
    Operation::Agents(operation)
}

pub(super) const fn templates(operation: TemplatesOperation) -> Operation {
    Operation::Templates(operation)
}

pub(super) const fn jobs(operation: JobsOperation) -> Operation {
    Operation::Jobs(operation)
}

pub(super) const fn webhooks(operation: WebhooksOperation) -> Operation {
    Operation::Webhooks(operation)
}
