//! Versions, the aliases that lead to them, and the approvals that a change of an alias may need.

use super::{
    AGENT, CHANGE, CURSOR, ENTITLED, FORCE, GUARDED, IDEMPOTENCY_KEY, IF_MATCH, IF_MATCH_REQUIRED,
    IF_NONE_MATCH, LIMIT, OF_ONE, agent, agents, empty, json, query, schema,
};
use crate::agent::alias::{AliasDocument, AliasView};
use crate::agent::resolved::ResolvedView;
use crate::agent::version::{Publication, Release, RollbackDocument, VersionSummary, VersionView};
use crate::approval::{ApprovalView, RejectDocument};
use crate::http::caller::Scope;
use crate::http::documents::{DiffDocument, Items, NothingSaid};
use crate::http::problem::ProblemCode as P;
use crate::http::routes::{AgentsOperation as Agents, Answer, Body, Method, Parameter, Route};
use crate::page::Page;

/// What every change of an alias may be answered with.
const POLICY: &[P] = &[P::PolicyRefused];

const FROM: Parameter = query(
    "from",
    r#"{"type": "string", "pattern": "^(draft|live|[1-9][0-9]{0,11})$"}"#,
    "`draft`, `live` or a version; absent means the version that was published last.",
);
const TO: Parameter = query(
    "to",
    r#"{"type": "string", "pattern": "^(draft|live|[1-9][0-9]{0,11})$", "default": "draft"}"#,
    "`draft`, `live` or a version.",
);
const ALIAS: Parameter = query(
    "alias",
    r#"{"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$", "default": "live"}"#,
    "The alias to resolve.",
);
const VERSION: Parameter = query(
    "version",
    r#"{"type": "integer", "minimum": 1, "maximum": 999999999999}"#,
    "A version instead of an alias.",
);
const CONVERSATION: Parameter = query(
    "conversation",
    r#"{"type": "string", "minLength": 1, "maxLength": 256}"#,
    "The conversation's id, by which it takes one of an alias's routes; absent means the heaviest.",
);
const STATE: Parameter = query(
    "state",
    r#"{"type": "string", "enum": ["pending", "accepted", "rejected", "expired"]}"#,
    "Only approvals in this state. A page may then be short, or empty, before the last.",
);

pub(super) static ROUTES: &[Route] = &[
    Route::scoped(
        Method::Post,
        "/v1/agents/{id}/publish",
        agents(Agents::Publish),
        Scope::AgentsPublish,
        "Make a version of the draft, and let `live` lead to it",
    )
    .reading(Body::Optional(schema::<Release>()))
    .with(&[IF_MATCH, IDEMPOTENCY_KEY])
    .answering(&[
        Answer { has_etag: true, ..json(201, "There is a new version", schema::<Publication<'static>>()) },
        Answer {
            has_etag: true,
            ..json(200, "The draft has not changed: no new version", schema::<Publication<'static>>())
        },
        Answer {
            has_etag: true,
            ..json(
                202,
                "`live` leads to the version once another user accepts",
                schema::<Publication<'static>>(),
            )
        },
    ])
    .refusing(&[CHANGE, ENTITLED, POLICY, &[P::IdempotencyKeyReused]]),
    Route::scoped(
        Method::Get,
        "/v1/agents/{id}/versions",
        agents(Agents::Versions),
        Scope::AgentsRead,
        "List an agent's versions, newest first",
    )
    .with(&[LIMIT, CURSOR])
    .answering(&[json(
        200,
        "A page; it is shorter where versions are large",
        schema::<Page<VersionSummary>>(),
    )])
    .refusing(&[OF_ONE, &[P::InvalidCursor]]),
    Route::scoped(
        Method::Get,
        "/v1/agents/{id}/versions/{version}",
        agents(Agents::Version),
        Scope::AgentsRead,
        "Get a version",
    )
    .answering(&[json(200, "The version", schema::<VersionView<'static>>())])
    .refusing(&[OF_ONE]),
    Route::scoped(
        Method::Post,
        "/v1/agents/{id}/versions/{version}/restore",
        agents(Agents::RestoreVersion),
        Scope::AgentsWrite,
        "Make a version's content the draft",
    )
    .reading(Body::Optional(schema::<NothingSaid>()))
    .with(&[IF_MATCH])
    .answering(&[agent(200, "The agent")])
    .refusing(&[ENTITLED, CHANGE]),
    Route::scoped(
        Method::Get,
        "/v1/agents/{id}/diff",
        agents(Agents::Diff),
        Scope::AgentsRead,
        "What differs between draft and versions, and how risky it is",
    )
    .with(&[FROM, TO])
    .answering(&[json(200, "A JSON Patch and the risks", schema::<DiffDocument>())])
    .refusing(&[OF_ONE, &[P::Unpublished]]),
    Route::scoped(
        Method::Post,
        "/v1/agents/{id}/rollback",
        agents(Agents::Rollback),
        Scope::AgentsPublish,
        "Let `live` lead to an earlier version",
    )
    .reading(Body::Optional(schema::<RollbackDocument>()))
    .with(&[IF_MATCH])
    .answering(&[
        agent(200, "The agent"),
        json(202, "Once another user accepts", schema::<ApprovalView<'static>>()),
    ])
    .refusing(&[CHANGE, POLICY, &[P::Unpublished]]),
    Route::scoped(
        Method::Get,
        "/v1/agents/{id}/aliases",
        agents(Agents::Aliases),
        Scope::AgentsRead,
        "List an agent's aliases",
    )
    .answering(&[Answer {
        has_etag: true,
        ..json(200, "The aliases, by name", schema::<Items<AliasView<'static>>>())
    }])
    .refusing(&[OF_ONE]),
    Route::scoped(
        Method::Put,
        "/v1/agents/{id}/aliases/{alias}",
        agents(Agents::PutAlias),
        Scope::AgentsPublish,
        "Say which versions an alias leads to",
    )
    .reading(Body::Json(schema::<AliasDocument>()))
    .with(&[IF_MATCH_REQUIRED])
    .answering(&[
        Answer { has_etag: true, ..json(200, "The alias", schema::<AliasView<'static>>()) },
        Answer { has_etag: true, ..json(201, "The new alias", schema::<AliasView<'static>>()) },
        json(202, "Once another user accepts", schema::<ApprovalView<'static>>()),
    ])
    .refusing(&[ENTITLED, CHANGE, GUARDED, POLICY]),
    Route::scoped(
        Method::Delete,
        "/v1/agents/{id}/aliases/{alias}",
        agents(Agents::DeleteAlias),
        Scope::AgentsPublish,
        "Remove an alias",
    )
    .with(&[FORCE, IF_MATCH_REQUIRED])
    .answering(&[empty(204, "Removed")])
    .refusing(&[CHANGE, GUARDED, &[P::HasDependents]]),
    Route::scoped(
        Method::Get,
        "/v1/agents/{id}/resolved",
        agents(Agents::Resolved),
        Scope::AgentsRead,
        "What a conversation gets that asks for an alias or a version",
    )
    .with(&[ALIAS, VERSION, CONVERSATION, IF_NONE_MATCH])
    .answering(&[
        Answer { has_etag: true, ..json(200, "The configuration", schema::<ResolvedView<'static>>()) },
        Answer { has_etag: true, ..empty(304, "Unchanged") },
    ])
    .refusing(&[OF_ONE, &[P::Unpublished, P::Locked]]),
    Route::scoped(
        Method::Get,
        "/v1/approvals",
        agents(Agents::Approvals),
        Scope::AgentsRead,
        "List approvals, newest first",
    )
    .with(&[LIMIT, CURSOR, STATE, AGENT])
    .answering(&[json(200, "A page", schema::<Page<ApprovalView<'static>>>())])
    .refusing(&[&[P::InvalidCursor]]),
    Route::scoped(
        Method::Get,
        "/v1/approvals/{approval_id}",
        agents(Agents::Approval),
        Scope::AgentsRead,
        "Get an approval",
    )
    .answering(&[json(200, "The approval", schema::<ApprovalView<'static>>())])
    .refusing(&[OF_ONE]),
    Route::scoped(
        Method::Post,
        "/v1/approvals/{approval_id}/accept",
        agents(Agents::Accept),
        Scope::AgentsPublish,
        "Accept a change that another user asks for, and make it",
    )
    .reading(Body::Optional(schema::<NothingSaid>()))
    .answering(&[json(200, "The accepted approval", schema::<ApprovalView<'static>>())])
    .refusing(&[OF_ONE, &[P::Conflict, P::OwnApproval]]),
    Route::scoped(
        Method::Post,
        "/v1/approvals/{approval_id}/reject",
        agents(Agents::Reject),
        Scope::AgentsPublish,
        "Reject a change that another user asks for",
    )
    .reading(Body::Optional(schema::<RejectDocument>()))
    .answering(&[json(200, "The rejected approval", schema::<ApprovalView<'static>>())])
    .refusing(&[OF_ONE, &[P::Conflict, P::OwnApproval]]),
];
