//! The one use case behind every route that creates an agent: judge it, write it and count it in
//! one transaction, and tell a repetition from a new request.

use agent_management::agent::store::{Assumed, Insertion};
use agent_management::agent::{self, Agent, Creation, Head, Repetition};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Caller;
use agent_management::id::{AgentId, TenantId};
use agent_management::tier::{self, Entitlements, LimitName};
use agent_management::violation::Violation;

use jiff::Timestamp;

use crate::Agents;

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

pub async fn insert(agents: &Agents, caller: &Caller, agent: Agent, creation: Creation) -> Result<Inserted> {
    let mut entitlements = caller.entitlements.clone();
    let mut agent = agent;
    let mut over = None;
    for _ in 0..ATTEMPTS_MAX {
        let violations = judge(agents, &entitlements, &agent);
        if !violations.is_empty() {
            // Unless this request created it before, when the tier admitted it.
            let earlier = replayed(agents, &caller.tenant, &agent.id, creation, agent.created.at).await?;
            return earlier.ok_or(Error::Entitlement(violations));
        }
        let agents_max = agents.tiers.limits(&entitlements).get(LimitName::Agents);
        let assumed = Assumed { entitlements: &entitlements, agents_max };
        match agent::store::insert(&agents.store, &caller.tenant, &agent, creation, over, assumed).await? {
            Insertion::Done => return Ok(Inserted::Created(Box::new(agent))),
            Insertion::Exists(head, earlier) => match repeated(head, creation, earlier, agent.created.at)? {
                Repeated::Answer(inserted) => return Ok(inserted),
                Repeated::Revive { rev } => {
                    over = Some(rev);
                    agent = agent.revived_after(rev);
                }
            },
            Insertion::Refused(tenant) => entitlements = agents.entitlements_after(tenant, &entitlements)?,
        }
    }
    Err(Error::Unavailable("the tenant's entitlements or the agent keep changing".into()))
}

/// Everything in the agent that the entitlements do not admit.
pub fn judge(agents: &Agents, entitlements: &Entitlements, agent: &Agent) -> Vec<Violation> {
    tier::violations(&agents.tiers, &agents.tiers.limits(entitlements), &agent.content)
}

/// That the tenant has no room for one more agent, if it has none.
pub fn no_room(agents: &Agents, entitlements: &Entitlements, used: u64) -> Option<Violation> {
    let limits = agents.tiers.limits(entitlements);
    let is_full = !limits.admits(LimitName::Agents, used.saturating_add(1));
    is_full.then(|| tier::agents_violation(&agents.tiers, &limits, used))
}

/// The answer to a creation that came before, if this one did.
pub async fn replayed(
    agents: &Agents,
    tenant: &TenantId,
    id: &AgentId,
    creation: Creation,
    now: Timestamp,
) -> Result<Option<Inserted>> {
    let Some((head, memory)) = agent::store::get_head(&agents.store, tenant, id).await? else {
        return Ok(None);
    };
    match repeated(head, creation, memory.creation, now)? {
        Repeated::Answer(Inserted::Replayed(agent)) => Ok(Some(Inserted::Replayed(agent))),
        Repeated::Answer(_) | Repeated::Revive { .. } => Ok(None),
    }
}

enum Repeated {
    Answer(Inserted),
    Revive { rev: u64 },
}

/// There is a head already: the answer to the request that made it, or what to do about it.
fn repeated(head: Head, creation: Creation, earlier: Option<Creation>, now: Timestamp) -> Result<Repeated> {
    let repetition = earlier.map_or(Repetition::Unrelated, |earlier| creation.compare(earlier));
    match (repetition, head) {
        (Repetition::Replay, Head::Live(now)) => Ok(Repeated::Answer(Inserted::Replayed(now))),
        // A tombstone past its time is as good as gone, whether or not it has been removed yet.
        (_, Head::Deleted(tombstone)) if tombstone.expires_at <= now => {
            Ok(Repeated::Revive { rev: tombstone.rev })
        }
        (Repetition::Replay, Head::Deleted(_)) => Err(Error::Deleted),
        (Repetition::Reuse, _) => Err(Error::IdempotencyKeyReused),
        (Repetition::Unrelated, Head::Live(_)) => Ok(Repeated::Answer(Inserted::Taken)),
        (Repetition::Unrelated, Head::Deleted(tombstone)) => Ok(Repeated::Revive { rev: tombstone.rev }),
    }
}
