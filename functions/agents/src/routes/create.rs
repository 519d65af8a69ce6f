//! `POST /v1/agents` and `POST /v1/agents/{id}/duplicate`.

use agent_management::agent::version::Release;
use agent_management::agent::{self, Agent, AgentView, Creation, Head, NewAgent, Request, change};
use agent_management::error::{Error, Result};
use agent_management::http::caller::{Caller, Scope};
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply};
use agent_management::id::{AgentId, AgentKey};
use http::StatusCode;
use serde_json::Value;

use crate::Agents;
use crate::insert::{Inserted, insert, judge, no_room, replayed};
use crate::publish;

pub async fn create(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let parameters = call.parameters(&["validate_only", "publish"])?;
    let validate_only = parameters.switch("validate_only")?;
    let is_published = parameters.switch("publish")?;
    if is_published && !caller.has(Scope::AgentsPublish) {
        return Err(Error::InsufficientScope(Scope::AgentsPublish.as_str()));
    }
    let idempotency_key = call.idempotency_key()?;
    let document = call.json()?;
    let said = document.to_string();
    let request = Request { route: "POST /v1/agents", idempotency_key, said: &said };
    let (agent, creation) = prepare(call, caller, NewAgent::read(document)?, &request);
    if validate_only {
        would_be_created(agents, caller, &agent).await?;
        return Reply::ok(&AgentView::from(&agent));
    }
    let inserted = insert(agents, caller, agent, creation).await?;
    if is_published {
        finish(published(agents, call, caller, inserted, creation).await?)
    } else {
        finish(inserted)
    }
}

/// The creation with its first version. One that was cut short in between goes on when it is repeated.
async fn published(
    agents: &Agents,
    call: &Call,
    caller: &Caller,
    inserted: Inserted,
    creation: Creation,
) -> Result<Inserted> {
    let publish = async |agent: Box<Agent>| -> Result<Box<Agent>> {
        if agent.published.is_some() {
            return Ok(agent);
        }
        let request =
            publish::Request { release: Release::default(), creation, is_keyed: false, now: call.now };
        let publication = publish::publish(agents, caller, &agent.id, &Precondition::None, &request);
        Ok(Box::new(Box::pin(publication).await?.agent))
    };
    Ok(match inserted {
        Inserted::Created(agent) => Inserted::Created(publish(agent).await?),
        // What someone has changed since is theirs to publish.
        Inserted::Replayed(agent) if agent.updated == agent.created => {
            Inserted::Replayed(publish(agent).await?)
        }
        Inserted::Replayed(agent) => Inserted::Replayed(agent),
        Inserted::Taken => Inserted::Taken,
    })
}

/// What would keep the agent from being created, found without writing.
async fn would_be_created(agents: &Agents, caller: &Caller, agent: &Agent) -> Result<()> {
    let (used, entitlements) = agents.usage(&caller.tenant).await?;
    let mut violations = judge(agents, &entitlements, agent);
    violations.extend(no_room(agents, &entitlements, used));
    if !violations.is_empty() {
        return Err(Error::Entitlement(violations));
    }
    if agent.key.is_some()
        && let Some((Head::Live(_), _)) =
            agent::store::get_head(&agents.store, &caller.tenant, &agent.id).await?
    {
        return Err(Error::KeyTaken);
    }
    Ok(())
}

pub async fn duplicate(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let idempotency_key = call.idempotency_key()?;
    let document = call.json_or_empty()?;
    let id: AgentId = call.param("id", "agent")?;
    let said = format!("{id} {document}");
    let request = Request { route: "POST /v1/agents/{id}/duplicate", idempotency_key, said: &said };
    let precondition = Precondition::read(&call.headers)?;
    let source = agent::store::get(&agents.store, &caller.tenant, &id).await;
    let source = source.and_then(|stored| precondition.check(stored.agent.rev).map(|()| stored.agent));
    let source = match source {
        Ok(agent) => agent,
        // The copy outlives its original, and so does the answer to the request that made it.
        Err(error @ (Error::NotFound(_) | Error::PreconditionFailed)) if idempotency_key.is_some() => {
            let key: Option<AgentKey> =
                document.get("key").and_then(Value::as_str).and_then(|key| key.parse().ok());
            let (copy, creation) = identify(call, caller, key.as_ref(), &request);
            let replayed = replayed(agents, &caller.tenant, &copy, creation, call.now).await?;
            return finish(replayed.ok_or(error)?);
        }
        Err(error) => return Err(error),
    };
    let (agent, creation) = prepare(call, caller, change::duplicate(&source, document)?, &request);
    finish(insert(agents, caller, agent, creation).await?)
}

fn prepare(call: &Call, caller: &Caller, new: NewAgent, request: &Request<'_>) -> (Agent, Creation) {
    let (id, creation) = identify(call, caller, new.key.as_ref(), request);
    (Agent::create(id, new, caller.user.clone(), call.now), creation)
}

/// What the agent that the request creates is known by.
fn identify(
    call: &Call,
    caller: &Caller,
    key: Option<&AgentKey>,
    request: &Request<'_>,
) -> (AgentId, Creation) {
    let id = agent::id_for(&caller.tenant, &caller.user, key, request, call.now);
    (id, Creation::new(&caller.user, request, call.now))
}

fn finish(inserted: Inserted) -> Result<Reply> {
    match inserted {
        Inserted::Created(agent) => created(&agent),
        Inserted::Replayed(agent) => Ok(created(&agent)?.replayed()),
        Inserted::Taken => Err(Error::KeyTaken),
    }
}

/// 201 with the agent and its place.
pub fn created(agent: &Agent) -> Result<Reply> {
    let reply = Reply::json(StatusCode::CREATED, &AgentView::from(agent))?;
    Ok(reply.with_etag(agent.rev).with_location(&format!("/v1/agents/{}", agent.id)))
}
