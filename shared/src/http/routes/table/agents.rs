//! Agents: their documents, lists and lives.

use super::{
    CHANGE, CREATE_ONLY, CREATION, CURSOR, ENTITLED, FORCE, GUARDED, IDEMPOTENCY_KEY, IF_MATCH,
    IF_MATCH_REQUIRED, IF_NONE_MATCH, LIMIT, OF_ONE, PUBLISH, SORT, VALIDATE_ONLY, agent, agents, empty,
    fields, json, partial, schema,
};
use crate::agent::config::ToolSettings;
use crate::agent::{
    AgentDocument, AgentView, DuplicateDocument, FIELDS, SUMMARY_FIELDS, Summary, TransferDocument,
};
use crate::http::caller::Scope;
use crate::http::documents::{Anything, NothingSaid, Verdict};
use crate::http::problem::ProblemCode as P;
use crate::http::routes::{AgentsOperation as Agents, Answer, Body, Method, Route};
use crate::page::Page;

pub(super) static ROUTES: &[Route] = &[
    Route::scoped(Method::Post, "/v1/agents", agents(Agents::Create), Scope::AgentsWrite, "Create an agent")
        .reading(Body::Json(schema::<AgentDocument>()))
        .with(&[VALIDATE_ONLY, PUBLISH, IDEMPOTENCY_KEY])
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
    .refusing(&[CHANGE, GUARDED, &[P::HasDependents]]),
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
];
