//! The one use case behind every route that creates an agent: judge it, write it and count it in
//! one transaction, and tell a repetition from a new request.

use crate::agent::store::Insertion;
use crate::agent::{self, Agent, Creation, Head};
use crate::creation::Meeting;
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::id::{AgentId, TenantId};
use crate::tenant::Counted;
use crate::tier::{self, Entitlements, LimitName};
use crate::violation::Violation;

use jiff::Timestamp;

use super::Base;
use super::change::told;

/// How often a creation is tried again because the entitlements or the head changed under it.
const ATTEMPTS_MAX: usize = 4;

/// What became of a creation.
#[derive(Debug)]
pub enum Inserted {
    Created(Box<Agent>),
    /// The same request came before; the agent as it stands now.
    Replayed(Box<Agent>),
    /// Another request made the agent that has the `key`.
    Taken,
}

pub async fn insert(base: &Base, caller: &Caller, agent: Agent, creation: Creation) -> Result<Inserted> {
    let mut entitlements = caller.entitlements.clone();
    let mut agent = told(base, agent);
    let mut over = None;
    for _ in 0..ATTEMPTS_MAX {
        let violations = judge(base, &entitlements, &agent);
        if !violations.is_empty() {
            // Unless this request created it before, when the tier admitted it.
            let earlier = replayed(base, &caller.tenant, &agent.id, creation, agent.created.at).await?;
            return earlier.ok_or(Error::Entitlement(violations));
        }
        let assumed = base.assumed(&entitlements, Counted::Agents);
        match agent::store::insert(&base.store, &caller.tenant, &agent, creation, over, assumed).await? {
            Insertion::Done => return Ok(Inserted::Created(Box::new(agent))),
            Insertion::Exists(head, earlier) => {
                match (creation.meet(earlier, head.tombstone(), agent.created.at)?, head) {
                    (Meeting::Replay, Head::Live(now)) => return Ok(Inserted::Replayed(now)),
                    (Meeting::Revive { rev }, _) => {
                        over = Some(rev);
                        agent = agent.revived_after(rev);
                    }
                    (Meeting::Replay | Meeting::Taken, _) => return Ok(Inserted::Taken),
                }
            }
            Insertion::Refused(tenant) => {
                entitlements = base.entitlements_after(&tenant, &entitlements, Counted::Agents)?;
            }
        }
    }
    Err(Error::Unavailable("the tenant's entitlements or the agent keep changing".into()))
}

/// Everything in the agent that the entitlements do not admit.
pub fn judge(base: &Base, entitlements: &Entitlements, agent: &Agent) -> Vec<Violation> {
    tier::violations(&base.tiers, &base.tiers.limits(entitlements), &agent.content)
}

/// That the tenant has no room for one more agent, if it has none.
pub fn no_room(base: &Base, entitlements: &Entitlements, used: u64) -> Option<Violation> {
    let limits = base.tiers.limits(entitlements);
    let is_full = !limits.admits(LimitName::Agents, used.saturating_add(1));
    is_full.then(|| tier::count_violation(&base.tiers, &limits, LimitName::Agents, used))
}

/// The answer to a creation that came before, if this one did.
pub async fn replayed(
    base: &Base,
    tenant: &TenantId,
    id: &AgentId,
    creation: Creation,
    now: Timestamp,
) -> Result<Option<Inserted>> {
    let Some((head, memory)) = agent::store::get_head(&base.store, tenant, id).await? else {
        return Ok(None);
    };
    match (creation.meet(memory.creation, head.tombstone(), now)?, head) {
        (Meeting::Replay, Head::Live(agent)) => Ok(Some(Inserted::Replayed(agent))),
        (Meeting::Replay | Meeting::Taken | Meeting::Revive { .. }, _) => Ok(None),
    }
}
