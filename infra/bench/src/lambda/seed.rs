//! What is there before a function is measured: a table with a tenant of the highest tier, agents, the
//! events of their changes, and listeners. It is made through the service's own doors, in this process.

use agent_management::clock::Clock;
use agent_management::connection::{self, Connection, Subscription};
use agent_management::event::{self, EventType, Filter};
use agent_management::http::caller::{Caller, Scope};
use agent_management::id::{EndpointId, TenantId, UserId};
use agent_management::tier::LimitName;
use agent_management::webhook::{self, Endpoint};
use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use local::host::{Host, Parts};
use local::issuer::TokenRequest;
use local::mapping::Turn;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::signers::Signers;

pub const TENANT: &str = "bench";
const USER: &str = "dev";
/// Agents that are there, each changed once.
const AGENTS: usize = 100;
/// How long tokens are good: longer than a run takes.
const TOKEN_AGE: SignedDuration = SignedDuration::from_hours(12);
/// What sockets subscribe to: two kinds of event each, of which a batch has one.
const SUBSCRIBED: [[EventType; 2]; 2] =
    [[EventType::AgentCreated, EventType::AgentArchived], [EventType::AgentUpdated, EventType::AgentDeleted]];

#[derive(Debug)]
pub struct Seeded {
    pub host: Host,
    pub signers: Signers,
    pub tenant: TenantId,
    /// The ids of the agents.
    pub agents: Vec<String>,
    /// The number of the log's last event.
    pub events: u64,
    /// What the authorizer says of the tenant's user, as API Gateway hands it on.
    pub caller: Value,
    _folder: TempDir,
}

impl Seeded {
    pub async fn new() -> Result<Self, String> {
        let text = |error: agent_management::error::Error| error.to_string();
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        // No mapping runs: nobody but the function reads the stream.
        let host = Host::new(Parts::kept_in(folder.path(), Clock::system())?).await?;
        let tenant: TenantId = TENANT.parse().map_err(|_| "a tenant")?;
        let overrides = [(LimitName::Agents, None)].into();
        let entitlements = host.entitle(&tenant, "enterprise", &overrides).await.map_err(text)?;
        let agents = create_agents(&host).await?;
        while host.fanout.turn().await? != Turn::Idle {}
        let now = host.clock.now();
        let expires_at = now.saturating_add(TOKEN_AGE).map_err(|error| error.to_string())?;
        listen(&host, &tenant, expires_at, now).await?;
        let events = event::store::last_number(&host.store, &tenant).await.map_err(text)?;
        let user: UserId = USER.parse().map_err(|_| "a user")?;
        let scopes = Scope::ALL.map(Scope::as_str).join(" ");
        let caller = Caller { tenant: tenant.clone(), user, scopes, expires_at, entitlements };
        let signers = Signers::generate()?;
        let caller = handed_on(&caller);
        Ok(Self { host, signers, tenant, agents, events, caller, _folder: folder })
    }
}

/// An agent with a head of about 2 KB, to create.
pub fn an_agent(name: &str) -> Value {
    json!({
        "name": name,
        "tags": ["bench"],
        "config": {
            "model": {"provider": "anthropic", "id": "claude-haiku-4-5"},
            "instructions": "Answer questions about orders. ".repeat(45),
        },
    })
}

async fn create_agents(host: &Host) -> Result<Vec<String>, String> {
    let mut ids = Vec::new();
    for index in 0..AGENTS {
        let created =
            send(host, "POST", "/v1/agents", "application/json", &an_agent(&format!("seed {index}"))).await?;
        let id = created["id"].as_str().ok_or("an agent without an id")?.to_owned();
        let change = json!({"description": "Changed once."});
        send(host, "PATCH", &format!("/v1/agents/{id}"), "application/merge-patch+json", &change).await?;
        ids.push(id);
    }
    Ok(ids)
}

async fn send(
    host: &Host,
    method: &str,
    path: &str,
    content_type: &str,
    body: &Value,
) -> Result<Value, String> {
    let token = host.issuer.token(&TokenRequest::for_tenant(TENANT), host.clock.now());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", content_type)
        .header("if-match", "*")
        .body(Bytes::from(body.to_string()))
        .map_err(|error| error.to_string())?;
    let answer = host.gateway.answer(request).await;
    if !answer.status().is_success() {
        return Err(format!("seeding: {method} {path} was answered {}", answer.status()));
    }
    serde_json::from_slice(answer.body()).map_err(|error| error.to_string())
}

/// Opens sockets and registers an endpoint, so that events have somewhere to go.
async fn listen(host: &Host, tenant: &TenantId, expires_at: Timestamp, now: Timestamp) -> Result<(), String> {
    for (index, types) in SUBSCRIBED.into_iter().enumerate() {
        let id = format!("seed-{index}").parse().map_err(|_| "a connection")?;
        let filter = Filter { types: types.into(), ..Filter::default() };
        let open = Connection::open(id, expires_at, now).with(Subscription::live("bench", filter));
        connection::store::insert(&host.store, tenant, &open).await.map_err(|error| error.to_string())?;
    }
    let endpoint = Endpoint { id: EndpointId::generate(now), filter: Filter::default() };
    webhook::store::insert(&host.store, tenant, &endpoint).await.map_err(|error| error.to_string())
}

/// An authorizer's context with its numbers as strings, and its principal.
fn handed_on(caller: &Caller) -> Value {
    let mut context = Value::Object(caller.to_context().into_iter().collect());
    for value in context.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
        if value.is_number() {
            *value = Value::String(value.to_string());
        }
    }
    context["principalId"] = caller.user.as_str().into();
    context
}
