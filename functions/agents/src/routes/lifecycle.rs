//! `POST /v1/agents/{id}/archive`, `/restore` and `/transfer`, and `DELETE /v1/agents/{id}`.

use agent_management::agent::change;
use agent_management::agent::store::{self, Operation, Written};
use agent_management::error::{Error, Result};
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply, answer};
use agent_management::id::AgentId;
use agent_management::usecase::change::{ATTEMPTS_MAX, back_off, told};
use agent_management::usecase::delete::{bury_live, refuse_guarded};
use http::StatusCode;

use super::change;
use crate::Agents;

pub async fn archive(agents: &Agents, call: &Call) -> Result<Reply> {
    let (actor, precondition) = action(call)?;
    let changed = change(agents, call, &precondition, |agent| {
        let status = change::archived(agent, actor, call.now);
        Ok(status.map(|status| agent.with_status(status, actor, call.now)))
    });
    answer::agent(&changed.await?)
}

pub async fn restore(agents: &Agents, call: &Call) -> Result<Reply> {
    let (actor, precondition) = action(call)?;
    let changed = change(agents, call, &precondition, |agent| {
        let status = change::restored(agent)?;
        Ok(status.map(|status| told(&agents.base, agent.with_status(status, actor, call.now))))
    });
    answer::agent(&changed.await?)
}

pub async fn transfer(agents: &Agents, call: &Call) -> Result<Reply> {
    let actor = &call.caller()?.user;
    call.parameters(&[])?;
    let precondition = Precondition::read(&call.headers)?;
    let owner = change::new_owner(call.json()?)?;
    let changed = change(agents, call, &precondition, |agent| {
        let is_other = agent.owner != owner;
        Ok(is_other.then(|| agent.with_owner(owner.clone(), actor, call.now)))
    });
    answer::agent(&changed.await?)
}

/// The parts of a request that says nothing but what is to be done: a body may be absent or `{}`.
fn action(call: &Call) -> Result<(&agent_management::id::UserId, Precondition)> {
    call.parameters(&[])?;
    let precondition = Precondition::read(&call.headers)?;
    call.nothing_said()?;
    Ok((&call.caller()?.user, precondition))
}

pub async fn delete(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let is_forced = call.parameters(&["force"])?.switch("force")?;
    let precondition = Precondition::read(&call.headers)?.required()?;
    let id: AgentId = call.param("id", "agent")?;
    let operation = Operation::begin();
    for attempt in 0..ATTEMPTS_MAX {
        let stored = store::get(&agents.base.store, &caller.tenant, &id).await?;
        precondition.check(stored.agent.rev)?;
        let (store, tenant) = (&agents.base.store, &caller.tenant);
        refuse_guarded(&agents.base, tenant, &stored.agent, is_forced).await?;
        match store::delete(store, tenant, &stored, operation, &caller.user, call.now).await? {
            Written::Done | Written::Landed(_) => {
                bury_live(store, tenant, &stored.agent, call.now).await;
                return Ok(Reply::empty(StatusCode::NO_CONTENT));
            }
            Written::Stale if precondition.is_open() => back_off(attempt).await,
            Written::Stale => return Err(Error::PreconditionFailed),
            Written::Refused(_) => return Err(Error::internal("an agent was deleted that was not counted")),
        }
    }
    Err(Error::Unavailable("the agent keeps changing".into()))
}
