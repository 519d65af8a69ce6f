//! Finding agents, and what depends on one.

use super::{CURSOR, LIMIT, OF_ONE, agents, json, query, schema};
use crate::agent::Summary;
use crate::http::caller::Scope;
use crate::http::problem::ProblemCode as P;
use crate::http::routes::{AgentsOperation as Agents, Body, Method, Parameter, Route};
use crate::page::Page;
use crate::search::{CountDocument, CountView, Dependent, SearchDocument};

const USED_ALIAS: Parameter = query(
    "alias",
    r#"{"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"}"#,
    "Only agents that ask for this alias.",
);

pub(super) static ROUTES: &[Route] = &[
    Route::scoped(
        Method::Post,
        "/v1/agents/search",
        agents(Agents::Search),
        Scope::AgentsRead,
        "Find agents",
    )
    .only_reading()
    .reading(Body::Optional(schema::<SearchDocument>()))
    .answering(&[json(
        200,
        "A page; it may be short, even empty, before the last one",
        schema::<Page<Summary>>(),
    )])
    .refusing(&[&[P::InvalidCursor]]),
    Route::scoped(Method::Post, "/v1/agents/count", agents(Agents::Count), Scope::AgentsRead, "Count agents")
        .only_reading()
        .reading(Body::Optional(schema::<CountDocument>()))
        .answering(&[json(200, "The count, or a part of it", schema::<CountView>())])
        .refusing(&[&[P::InvalidCursor]]),
    Route::scoped(
        Method::Get,
        "/v1/agents/{id}/dependents",
        agents(Agents::Dependents),
        Scope::AgentsRead,
        "List the agents that hand work to this one",
    )
    .with(&[LIMIT, CURSOR, USED_ALIAS])
    .answering(&[json(200, "A page", schema::<Page<Dependent>>())])
    .refusing(&[OF_ONE, &[P::InvalidCursor]]),
];
