//! `POST /v1/agents` and `POST /v1/agents/{id}/duplicate`.

use agent_management::agent::{self, Agent, AgentView, Creation, Head, NewAgent, Request, change};
use agent_management::error::{Error, Result};
use agent_management::http::caller::{Caller, Scope};
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply, answer};
use agent_management::id::{AgentId, AgentKey};
use agent_management::usecase::insert::{insert, judge, no_room, replayed};
use agent_management::usecase::publish;
use serde_json::Value;

use crate::Agents;

pub async fn create(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let parameters = call.parameters(&["validate_only", "publish"])?;
    let validate_only = parameters.switch("validate_only")?;
    let is_published = parameters.switch("publish")?;
    if is_published {
        caller.require(Scope::AgentsPublish)?;
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
    let inserted = insert(&agents.base, caller, agent, creation).await?;
    if !is_published {
        return answer::inserted(inserted);
    }
    let published = publish::first(&agents.base, caller, inserted, creation, call.now);
    answer::inserted(Box::pin(published).await?)
}

/// What would keep the agent from being created, found without writing.
async fn would_be_created(agents: &Agents, caller: &Caller, agent: &Agent) -> Result<()> {
    let (record, entitlements) = agents.base.tenant(&caller.tenant).await?;
    let mut violations = judge(&agents.base, &entitlements, agent);
    violations.extend(no_room(&agents.base, &entitlements, record.agents_used));
    if !violations.is_empty() {
        return Err(Error::Entitlement(violations));
    }
    if agent.key.is_some()
        && let Some((Head::Live(_), _)) =
            agent::store::get_head(&agents.base.store, &caller.tenant, &agent.id).await?
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
    let source = agent::store::get(&agents.base.store, &caller.tenant, &id).await;
    let source = source.and_then(|stored| precondition.check(stored.agent.rev).map(|()| stored.agent));
    let source = match source {
        Ok(agent) => agent,
        // The copy outlives its original, and so does the answer to the request that made it.
        Err(error @ (Error::NotFound(_) | Error::PreconditionFailed)) if idempotency_key.is_some() => {
            let key: Option<AgentKey> =
                document.get("key").and_then(Value::as_str).and_then(|key| key.parse().ok());
            let (copy, creation) = identify(call, caller, key.as_ref(), &request);
            let replayed = replayed(&agents.base, &caller.tenant, &copy, creation, call.now).await?;
            return answer::inserted(replayed.ok_or(error)?);
        }
        Err(error) => return Err(error),
    };
    let (mut agent, creation) = prepare(call, caller, change::duplicate(&source, document)?, &request);
    agent.template.clone_from(&source.template);
    answer::inserted(insert(&agents.base, caller, agent, creation).await?)
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
