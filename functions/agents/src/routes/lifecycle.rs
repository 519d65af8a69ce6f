//! `POST /v1/agents/{id}/archive`, `/restore` and `/transfer`, and `DELETE /v1/agents/{id}`.

use agent_management::agent::store::{self, Operation, Written};
use agent_management::agent::{change, live};
use agent_management::dynamo::Store;
use agent_management::error::{Error, Result};
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply, answer};
use agent_management::id::{AgentId, TenantId};
use agent_management::usecase::change::{ATTEMPTS_MAX, back_off, told};
use agent_management::usecase::dependents::refuse_dependents;
use http::StatusCode;
use jiff::Timestamp;

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
        // Or who recreates it under its key would be rid of the policy.
        if stored.agent.aliases.values().any(|alias| !alias.policy.approve.is_empty()) {
            let detail =
                "An alias has a policy that asks another user; loosen that first, or archive the agent.";
            return Err(Error::Conflict(detail.to_owned()));
        }
        if !is_forced {
            refuse_dependents(&agents.base, tenant, &id, None).await?;
        }
        match store::delete(store, tenant, &stored, operation, &caller.user, call.now).await? {
            Written::Done | Written::Landed(_) => {
                if !stored.agent.aliases.is_empty() {
                    bury(store, tenant, &id, stored.agent.rev + 1, call.now).await;
                }
                return Ok(Reply::empty(StatusCode::NO_CONTENT));
            }
            Written::Stale if precondition.is_open() => back_off(attempt).await,
            Written::Stale => return Err(Error::PreconditionFailed),
            Written::Refused(_) => return Err(Error::internal("an agent was deleted that was not counted")),
        }
    }
    Err(Error::Unavailable("the agent keeps changing".into()))
}

/// Takes the live copy away. The agent is deleted whether or not this succeeds: `stream-fanout` does it, too.
async fn bury(store: &Store, tenant: &TenantId, id: &AgentId, rev: u64, now: Timestamp) {
    if let Err(error) = live::store::bury(store, tenant, id, rev, now).await {
        tracing::warn!(%error, "the live copy of a deleted agent waits for its removal");
    }
}
