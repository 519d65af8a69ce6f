//! The rows of the route table.

use schemars::{JsonSchema, json_schema};

use super::{
    AgentsOperation as Agents, Answer, Body, Content, Method, Operation, Parameter, ParameterSchema, Place,
    Route, SchemaOf, WebhooksOperation as Webhooks,
};
use crate::agent::config::ToolSettings;
use crate::agent::{
    AgentDocument, AgentView, DuplicateDocument, FIELDS, SUMMARY_FIELDS, Summary, TransferDocument,
};
use crate::connection::TicketDocument;
use crate::event::{AuditEntry, EventType, EventsPage};
use crate::http::caller::Scope;
use crate::http::documents::{
    Anything, EntitlementsDocument, HealthDocument, Items, NothingSaid, OfferedModel, UsageDocument, Verdict,
};
use crate::http::problem::ProblemCode::{self, self as P};
use crate::page::Page;
use crate::tier::Tier;

const fn schema<T: JsonSchema>() -> SchemaOf {
    |generator| generator.subschema_for::<T>()
}

/// A `T`, or with `fields` a part of one.
const fn partial<T: JsonSchema>() -> SchemaOf {
    |generator| {
        let whole = generator.subschema_for::<T>();
        json_schema!({"anyOf": [whole, {"type": "object", "description": "With `fields`: what it names"}]})
    }
}

const fn json(status: u16, description: &'static str, schema: SchemaOf) -> Answer {
    Answer { status, description, content: Content::Json(schema), has_etag: false }
}

const fn agent(status: u16, description: &'static str) -> Answer {
    Answer { has_etag: true, ..json(status, description, schema::<AgentView<'static>>()) }
}

const fn empty(status: u16, description: &'static str) -> Answer {
    Answer { status, description, content: Content::None, has_etag: false }
}

const HTML: &[Answer] =
    &[Answer { status: 200, description: "The page", content: Content::Html, has_etag: false }];

const fn query(name: &'static str, schema: &'static str, description: &'static str) -> Parameter {
    let schema = ParameterSchema::Json(schema);
    Parameter { name, place: Place::Query, is_required: false, schema, description }
}

const fn header(name: &'static str, schema: &'static str, description: &'static str) -> Parameter {
    Parameter { place: Place::Header, ..query(name, schema, description) }
}

const fn fields(names: &'static [&'static str]) -> Parameter {
    let description = "Names of members to answer, separated by commas; absent means all.";
    let schema = ParameterSchema::SomeOf(names);
    Parameter { name: "fields", place: Place::Query, is_required: false, schema, description }
}

const IDEMPOTENCY_KEY: Parameter = header(
    "Idempotency-Key",
    r#"{"type": "string", "pattern": "^[!-~]{1,255}$"}"#,
    "Makes the request safe to repeat: a repetition answers what the first one made.",
);
const IF_MATCH: Parameter = header(
    "If-Match",
    r#"{"type": "string", "pattern": "^[ ,]*(\\*|(W/)?\"[ !#-~]*\"( *,[ ,]*(W/)?\"[ !#-~]*\")*)?[ ,]*$", "examples": ["*"]}"#,
    "The ETag that the change is conditional on, or `*`.",
);
/// The same, and not empty.
const IF_MATCH_REQUIRED: Parameter = Parameter {
    is_required: true,
    ..header(
        "If-Match",
        r#"{"type": "string", "pattern": "^[ ,]*(\\*|(W/)?\"[ !#-~]*\"( *,[ ,]*(W/)?\"[ !#-~]*\")*)[ ,]*$", "examples": ["*"]}"#,
        IF_MATCH.description,
    )
};
const IF_NONE_MATCH: Parameter = header(
    "If-None-Match",
    r#"{"type": "string"}"#,
    "An ETag; the answer is 304 if it is still the resource's.",
);
const CREATE_ONLY: Parameter = header(
    "If-None-Match",
    r#"{"type": "string", "enum": ["*"]}"#,
    "`*` asks for a creation: what is there already stays.",
);
const LIMIT: Parameter = query(
    "limit",
    r#"{"type": "integer", "minimum": 1, "maximum": 100, "default": 20}"#,
    "The most rows of a page.",
);
const CURSOR: Parameter = query(
    "cursor",
    r#"{"type": "string", "minLength": 1}"#,
    "`next_cursor` of the page before, of the same query.",
);
const SORT: Parameter = query(
    "sort",
    r#"{"type": "string", "enum": ["-created_at", "created_at"], "default": "-created_at"}"#,
    "The order; a minus means descending.",
);
const VALIDATE_ONLY: Parameter = query(
    "validate_only",
    r#"{"type": "string", "enum": ["true", "false"], "default": "false"}"#,
    "Answer what would be created, and create nothing.",
);
const FORCE: Parameter = query(
    "force",
    r#"{"type": "string", "enum": ["true", "false"], "default": "false"}"#,
    "Delete the agent although others depend on it.",
);

const AFTER: Parameter = query(
    "after",
    r#"{"type": "string", "minLength": 1}"#,
    "A `cursor` of an event or a socket; absent means the oldest event that the tier keeps.",
);
const TYPES: Parameter = Parameter {
    name: "types",
    place: Place::Query,
    is_required: false,
    schema: ParameterSchema::SomeOf(&EventType::NAMES),
    description: "Types of events, separated by commas; absent means all.",
};
const LAST: Parameter = query(
    "last",
    r#"{"type": "integer", "minimum": 1, "maximum": 100}"#,
    "Only so many of the newest events, oldest first. Not together with `after` or `limit`.",
);
const AGENT: Parameter = query(
    "agent",
    r#"{"type": "string", "pattern": "^agt_[0-7][0-9A-HJKMNP-TV-Z]{25}$"}"#,
    "The id of the agent whose events to list.",
);

/// What every route with a resource in its path refuses.
const OF_ONE: &[ProblemCode] = &[P::NotFound];
/// What every change of one agent refuses.
const CHANGE: &[ProblemCode] = &[P::NotFound, P::Conflict, P::PreconditionFailed];
const GUARDED: &[ProblemCode] = &[P::PreconditionRequired];
const ENTITLED: &[ProblemCode] = &[P::EntitlementExceeded];
const CREATION: &[ProblemCode] = &[P::KeyTaken, P::Deleted, P::IdempotencyKeyReused];

const fn agents(operation: Agents) -> Operation {
    Operation::Agents(operation)
}

const fn webhooks(operation: Webhooks) -> Operation {
    Operation::Webhooks(operation)
}

/// Every route of the public API.
pub static ROUTES: &[Route] = &[
    Route::public("/health/live", agents(Agents::Live), "Whether the process answers").answering(&[json(
        200,
        "It does",
        schema::<HealthDocument>(),
    )]),
    Route::public("/health/ready", agents(Agents::Ready), "Whether what the service depends on answers")
        .answering(&[json(200, "It does", schema::<HealthDocument>())])
        .refusing(&[&[P::NotReady]]),
    Route::public("/openapi.json", agents(Agents::OpenApi), "This document").answering(&[json(
        200,
        "An OpenAPI 3.1 document",
        schema::<serde_json::Map<String, serde_json::Value>>(),
    )]),
    Route::public("/problems", agents(Agents::Problems), "The catalogue of problems").answering(HTML),
    Route::public("/problems/{code}", agents(Agents::Problem), "One kind of problem")
        .answering(HTML)
        .refusing(&[OF_ONE]),
    Route::scoped(Method::Post, "/v1/agents", agents(Agents::Create), Scope::AgentsWrite, "Create an agent")
        .reading(Body::Json(schema::<AgentDocument>()))
        .with(&[VALIDATE_ONLY, IDEMPOTENCY_KEY])
        .answering(&[agent(201, "The new agent"), agent(200, "With `validate_only`: what would be created")])
        .refusing(&[ENTITLED, CREATION]),
    Route::scoped(
        Method::Get,
        "/v1/agents",
        agents(Agents::List),
        Scope::AgentsRead,
        "List agents by creation",
    )
    .with(&[LIMIT, CURSOR, SORT, fields(&SUMMARY_FIELDS)])
    .answering(&[json(200, "A page", partial::<Page<Summary>>())])
    .refusing(&[&[P::InvalidCursor]]),
    Route::scoped(
        Method::Post,
        "/v1/agents/validate",
        agents(Agents::Validate),
        Scope::AgentsRead,
        "Find everything that keeps an agent from being created",
    )
    .only_reading()
    .reading(Body::Json(schema::<Anything>()))
    .answering(&[json(200, "The verdict", schema::<Verdict>())]),
    Route::scoped(
        Method::Put,
        "/v1/agents/by-key/{key}",
        agents(Agents::Upsert),
        Scope::AgentsWrite,
        "Make the agent under a key what the document says",
    )
    .reading(Body::Json(schema::<AgentDocument>()))
    .with(&[IF_MATCH, CREATE_ONLY])
    .answering(&[agent(200, "The agent, changed or as it was"), agent(201, "The new agent")])
    .refusing(&[ENTITLED, CHANGE]),
    Route::scoped(
        Method::Get,
        "/v1/agents/by-key/{key}",
        agents(Agents::GetByKey),
        Scope::AgentsRead,
        "Get the agent under a key",
    )
    .with(&[fields(&FIELDS), IF_NONE_MATCH])
    .answering(&[
        Answer { has_etag: true, ..json(200, "The agent", partial::<AgentView<'static>>()) },
        Answer { has_etag: true, ..empty(304, "Unchanged") },
    ])
    .refusing(&[OF_ONE]),
    Route::scoped(Method::Get, "/v1/agents/{id}", agents(Agents::Get), Scope::AgentsRead, "Get an agent")
        .with(&[fields(&FIELDS), IF_NONE_MATCH])
        .answering(&[
            Answer { has_etag: true, ..json(200, "The agent", partial::<AgentView<'static>>()) },
            Answer { has_etag: true, ..empty(304, "Unchanged") },
        ])
        .refusing(&[OF_ONE]),
    Route::scoped(
        Method::Patch,
        "/v1/agents/{id}",
        agents(Agents::Patch),
        Scope::AgentsWrite,
        "Change an agent",
    )
    .reading(Body::Patch)
    .with(&[IF_MATCH_REQUIRED])
    .answering(&[agent(200, "The agent as it is now")])
    .refusing(&[ENTITLED, CHANGE, GUARDED]),
    Route::scoped(
        Method::Delete,
        "/v1/agents/{id}",
        agents(Agents::Delete),
        Scope::AgentsWrite,
        "Delete an agent",
    )
    .with(&[FORCE, IF_MATCH_REQUIRED])
    .answering(&[empty(204, "Deleted")])
    .refusing(&[CHANGE, GUARDED]),
    Route::scoped(
        Method::Post,
        "/v1/agents/{id}/archive",
        agents(Agents::Archive),
        Scope::AgentsWrite,
        "Take an agent out of use, and out of the quota",
    )
    .reading(Body::Optional(schema::<NothingSaid>()))
    .with(&[IF_MATCH])
    .answering(&[agent(200, "The archived agent")])
    .refusing(&[CHANGE]),
    Route::scoped(
        Method::Post,
        "/v1/agents/{id}/restore",
        agents(Agents::Restore),
        Scope::AgentsWrite,
        "Bring an archived agent back into use",
    )
    .reading(Body::Optional(schema::<NothingSaid>()))
    .with(&[IF_MATCH])
    .answering(&[agent(200, "The agent")])
    .refusing(&[ENTITLED, CHANGE]),
    Route::scoped(
        Method::Post,
        "/v1/agents/{id}/duplicate",
        agents(Agents::Duplicate),
        Scope::AgentsWrite,
        "Create an agent like this one",
    )
    .reading(Body::Optional(schema::<DuplicateDocument>()))
    .with(&[IF_MATCH, IDEMPOTENCY_KEY])
    .answering(&[agent(201, "The new agent")])
    .refusing(&[OF_ONE, &[P::PreconditionFailed], ENTITLED, CREATION]),
    Route::scoped(
        Method::Post,
        "/v1/agents/{id}/transfer",
        agents(Agents::Transfer),
        Scope::AgentsWrite,
        "Give an agent another owner",
    )
    .reading(Body::Json(schema::<TransferDocument>()))
    .with(&[IF_MATCH])
    .answering(&[agent(200, "The agent")])
    .refusing(&[CHANGE]),
    Route::scoped(
        Method::Post,
        "/v1/agents/{id}/validate",
        agents(Agents::ValidateDraft),
        Scope::AgentsRead,
        "Find everything in an agent that the tier does not admit",
    )
    .only_reading()
    .reading(Body::Optional(schema::<NothingSaid>()))
    .answering(&[json(200, "The verdict", schema::<Verdict>())])
    .refusing(&[OF_ONE]),
    Route::scoped(
        Method::Put,
        "/v1/agents/{id}/tools/{tool_id}",
        agents(Agents::PutTool),
        Scope::AgentsWrite,
        "Add a tool, or change its settings",
    )
    .reading(Body::Json(schema::<ToolSettings>()))
    .with(&[IF_MATCH_REQUIRED])
    .answering(&[agent(200, "The agent with the tool")])
    .refusing(&[ENTITLED, CHANGE, GUARDED]),
    Route::scoped(
        Method::Delete,
        "/v1/agents/{id}/tools/{tool_id}",
        agents(Agents::DeleteTool),
        Scope::AgentsWrite,
        "Remove a tool",
    )
    .with(&[IF_MATCH_REQUIRED])
    .answering(&[agent(200, "The agent without the tool")])
    .refusing(&[CHANGE, GUARDED]),
    Route::scoped(
        Method::Get,
        "/v1/tiers",
        agents(Agents::Tiers),
        Scope::AgentsRead,
        "Every tier, lowest first",
    )
    .answering(&[json(200, "The tiers", schema::<Items<Tier>>())]),
    Route::scoped(
        Method::Get,
        "/v1/models",
        agents(Agents::Models),
        Scope::AgentsRead,
        "The catalogue of models",
    )
    .answering(&[json(200, "The models", schema::<Items<OfferedModel>>())]),
    Route::scoped(
        Method::Get,
        "/v1/entitlements",
        agents(Agents::Entitlements),
        Scope::AgentsRead,
        "What the tenant is entitled to",
    )
    .answering(&[json(200, "Tier, limits and overrides", schema::<EntitlementsDocument>())]),
    Route::scoped(
        Method::Get,
        "/v1/usage",
        agents(Agents::Usage),
        Scope::AgentsRead,
        "How much of it is used",
    )
    .answering(&[json(200, "The usage", schema::<UsageDocument>())]),
    Route::scoped(
        Method::Get,
        "/v1/agents/{id}/audit",
        webhooks(Webhooks::Audit),
        Scope::AgentsRead,
        "Who changed what about an agent, newest first",
    )
    .with(&[LIMIT, CURSOR])
    .answering(&[json(200, "A page", schema::<Page<AuditEntry>>())])
    .refusing(&[OF_ONE, &[P::InvalidCursor]]),
    Route::scoped(
        Method::Get,
        "/v1/events",
        webhooks(Webhooks::Events),
        Scope::EventsRead,
        "The tenant's events, oldest first",
    )
    .with(&[AFTER, TYPES, AGENT, LIMIT, LAST])
    .answering(&[json(200, "A page; `next_cursor` is null at the log's end", schema::<EventsPage>())])
    .refusing(&[&[P::InvalidCursor, P::CursorExpired]]),
    Route::scoped(
        Method::Post,
        "/v1/ws-tickets",
        webhooks(Webhooks::CreateTicket),
        Scope::EventsRead,
        "Get a ticket to open a socket with: good once, for 60 seconds",
    )
    .only_reading()
    .reading(Body::Optional(schema::<NothingSaid>()))
    .answering(&[json(201, "The ticket", schema::<TicketDocument>())]),
];
