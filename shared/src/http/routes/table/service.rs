//! The service itself, what a tenant is entitled to, and what happened.

use super::{AFTER, AGENT, CURSOR, HTML, LAST, LIMIT, OF_ONE, TYPES, agents, json, schema, webhooks};
use crate::connection::TicketDocument;
use crate::entitlement::{EntitlementsDocument, PreviewDocument, PreviewView, UsageView};
use crate::event::{AuditEntry, EventsPage};
use crate::http::caller::Scope;
use crate::http::documents::{HealthDocument, Items, NothingSaid, OfferedModel};
use crate::http::problem::ProblemCode as P;
use crate::http::routes::{AgentsOperation as Agents, Body, Method, Route, WebhooksOperation as Webhooks};
use crate::page::Page;
use crate::tier::Tier;

pub(super) static ROUTES: &[Route] =
    &[
        Route::public("/health/live", agents(Agents::Live), "Whether the process answers")
            .answering(&[json(200, "It does", schema::<HealthDocument>())]),
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
        .answering(&[json(200, "The usage", schema::<UsageView>())]),
        Route::scoped(
            Method::Post,
            "/v1/entitlements/preview",
            agents(Agents::PreviewEntitlements),
            Scope::AgentsRead,
            "What another tier would do to the tenant's agents",
        )
        .only_reading()
        .reading(Body::Json(schema::<PreviewDocument>()))
        .answering(&[json(
            200,
            "A page of the agents whom something would be done about",
            schema::<PreviewView>(),
        )])
        .refusing(&[&[P::InvalidCursor]]),
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
