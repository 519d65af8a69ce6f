//! `POST /v1/agents/validate` and `POST /v1/agents/{id}/validate`: everything that is wrong, and
//! nothing saved.

use agent_management::agent::{self, Agent, Head, NewAgent, store};
use agent_management::error::{Error, Result};
use agent_management::http::documents::Verdict;
use agent_management::http::{Call, Reply};
use agent_management::id::AgentId;
use agent_management::usecase::insert::{judge, no_room};
use agent_management::violation::Violation;

use crate::Agents;

/// A document that is to be created: its shape, the tier, and whether there is room for it.
pub async fn validate(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let new = match NewAgent::read(call.json()?) {
        Ok(new) => new,
        Err(Error::Invalid(violations)) => return verdict(violations),
        Err(error) => return Err(error),
    };
    let (record, entitlements) = agents.base.tenant(&caller.tenant).await?;
    let id_of_key = |key| agent::id_of_key(&caller.tenant, key);
    let id = new.key.as_ref().map_or_else(|| AgentId::generate(call.now), id_of_key);
    let agent = Agent::create(id, new, caller.user.clone(), call.now);
    let mut violations = judge(&agents.base, &entitlements, &agent);
    violations.extend(no_room(&agents.base, &entitlements, record.agents_used));
    if agent.key.is_some()
        && let Some((Head::Live(_), _)) =
            store::get_head(&agents.base.store, &caller.tenant, &agent.id).await?
    {
        violations.push(Violation::new("/key", "key_taken", "another agent of the tenant has this key"));
    }
    verdict(violations)
}

/// An agent's draft, against the tier as it is now.
pub async fn validate_draft(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    call.nothing_said()?;
    let id: AgentId = call.param("id", "agent")?;
    let stored = store::get(&agents.base.store, &caller.tenant, &id).await?;
    let (_, entitlements) = agents.base.tenant(&caller.tenant).await?;
    verdict(judge(&agents.base, &entitlements, &stored.agent))
}

fn verdict(violations: Vec<Violation>) -> Result<Reply> {
    Reply::ok(&Verdict { valid: violations.is_empty(), violations })
}
