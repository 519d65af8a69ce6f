//! The one use case behind every route that changes an agent: read it, decide, and write it if it is
//! still as it was read.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_management::agent::store::{self, Assumed, Operation, Written};
use agent_management::agent::{Agent, AgentView};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Caller;
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply};
use agent_management::id::AgentId;
use agent_management::tier::LimitName;

use crate::Agents;
use crate::insert::judge;
use crate::repoint::project;

/// How often a change that named no rev is made again because another one came between.
pub const ATTEMPTS_MAX: u32 = 30;
const BACKOFF_MAX_MS: u64 = 40;

/// Makes of the agent what `decide` says, and answers the agent as it is then. Nothing is written
/// when `decide` says that there is nothing to do.
pub async fn change(
    agents: &Agents,
    call: &Call,
    precondition: &Precondition,
    decide: impl Fn(&Agent) -> Result<Option<Agent>>,
) -> Result<Agent> {
    let caller = call.caller()?;
    let id: AgentId = call.param("id", "agent")?;
    let mut entitlements = caller.entitlements.clone();
    let operation = Operation::begin();
    for attempt in 0..ATTEMPTS_MAX {
        let stored = store::get(&agents.store, &caller.tenant, &id).await?;
        precondition.check(stored.agent.rev)?;
        let Some(after) = decide(&stored.agent)? else {
            return Ok(stored.agent);
        };
        let agents_max = agents.tiers.limits(&entitlements).get(LimitName::Agents);
        let assumed = Assumed { entitlements: &entitlements, agents_max };
        match store::update(&agents.store, &caller.tenant, &stored, &after, operation, assumed).await? {
            Written::Done => {
                project(agents, &caller.tenant, &stored.agent, &after, &BTreeMap::new()).await;
                return Ok(after);
            }
            Written::Landed(now) => return Ok(*now),
            Written::Stale if precondition.is_open() => back_off(attempt).await,
            Written::Stale => return Err(Error::PreconditionFailed),
            Written::Refused(tenant) => entitlements = agents.entitlements_after(tenant, &entitlements)?,
        }
    }
    Err(Error::Unavailable("the agent keeps changing".into()))
}

/// Waits a little, at random, so that writers who met do not meet again.
pub async fn back_off(attempt: u32) {
    let bound_ms = (1 << attempt.min(6)).min(BACKOFF_MAX_MS);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=bound_ms))).await;
}

/// `agent`, if the caller's tier admits its content.
///
/// # Errors
/// [`Error::Entitlement`] with every violation.
pub fn admitted(agents: &Agents, caller: &Caller, agent: Agent) -> Result<Agent> {
    let violations = judge(agents, &caller.entitlements, &agent);
    if violations.is_empty() { Ok(agent) } else { Err(Error::Entitlement(violations)) }
}

/// The agent with its ETag.
pub fn reply(agent: &Agent) -> Result<Reply> {
    Ok(Reply::ok(&AgentView::from(agent))?.with_etag(agent.rev))
}
