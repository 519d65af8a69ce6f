//! `POST /v1/agents`.

use agent_management::agent::store::{Assumed, Insertion};
use agent_management::agent::{self, Agent, AgentView, Creation, Head, NewAgent, Repetition};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Caller;
use agent_management::http::{Call, Reply};
use agent_management::id::AgentId;
use agent_management::tier::{self, Entitlements, LimitName};
use agent_management::violation::Violation;
use http::StatusCode;

use crate::Agents;

/// How often a creation is judged again because the tenant's entitlements changed under it.
const JUDGEMENTS_MAX: usize = 3;

pub async fn create(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let parameters = call.parameters(&["validate_only"])?;
    let validate_only = parameters.switch("validate_only")?;
    let idempotency_key = call.idempotency_key()?;
    let document = call.json()?;
    let said = document.to_string();
    let new = NewAgent::read(document)?;

    let id = agent::id_for(&caller.tenant, &caller.user, new.key.as_ref(), idempotency_key, call.now);
    // Without a key of the client's, no other request is this one.
    let nonce = idempotency_key.map_or_else(|| AgentId::generate(call.now).to_string(), str::to_owned);
    let creation = Creation::new(&caller.user, &nonce, &said);
    let agent = Agent::create(id, new, caller.user.clone(), call.now);
    if validate_only {
        let violations = judge(agents, &caller.entitlements, &agent);
        return if violations.is_empty() {
            Reply::ok(&AgentView::from(&agent))
        } else {
            Err(Error::Entitlement(violations))
        };
    }
    insert(agents, caller, agent, creation).await
}

async fn insert(agents: &Agents, caller: &Caller, agent: Agent, creation: Creation) -> Result<Reply> {
    let mut entitlements = caller.entitlements.clone();
    for _ in 0..JUDGEMENTS_MAX {
        let violations = judge(agents, &entitlements, &agent);
        if !violations.is_empty() {
            return refuse(agents, caller, &agent, creation, violations).await;
        }
        let limits = agents.tiers.limits(&entitlements);
        let assumed = Assumed { entitlements: &entitlements, agents_max: limits.get(LimitName::Agents) };
        match agent::store::insert(&agents.store, &caller.tenant, &agent, creation, &assumed).await? {
            Insertion::Done => return created(&agent),
            Insertion::Exists(head, earlier) => return repeated(&agent, head, creation, earlier),
            Insertion::Refused(tenant) => {
                let actual = tenant.entitlements.unwrap_or_else(|| agents.tiers.default_entitlements());
                if actual.rev == entitlements.rev {
                    let violation = tier::agents_violation(&agents.tiers, &limits, tenant.agents_used);
                    return Err(Error::Entitlement(vec![violation]));
                }
                entitlements = actual;
            }
        }
    }
    Err(Error::Unavailable("the tenant's entitlements keep changing".into()))
}

fn judge(agents: &Agents, entitlements: &Entitlements, agent: &Agent) -> Vec<Violation> {
    let limits = agents.tiers.limits(entitlements);
    tier::violations(&agents.tiers, &limits, &agent.content)
}

/// The tier does not admit the agent as it is, unless this request created it before.
async fn refuse(
    agents: &Agents,
    caller: &Caller,
    agent: &Agent,
    creation: Creation,
    violations: Vec<Violation>,
) -> Result<Reply> {
    match agent::store::get_head(&agents.store, &caller.tenant, &agent.id).await? {
        Some((head, Some(earlier))) if creation.compare(earlier) == Repetition::Replay => {
            repeated(agent, head, creation, Some(earlier))
        }
        Some(_) | None => Err(Error::Entitlement(violations)),
    }
}

/// There is a head already: the answer to the request that made it, or why this is another one.
fn repeated(agent: &Agent, head: Head, creation: Creation, earlier: Option<Creation>) -> Result<Reply> {
    let repetition = earlier.map_or(Repetition::Unrelated, |earlier| creation.compare(earlier));
    match (repetition, head) {
        (Repetition::Replay, Head::Live(now)) => Ok(created(&now)?.replayed()),
        (Repetition::Replay, Head::Deleted { .. }) => Err(Error::Deleted),
        (Repetition::Reuse, _) => Err(Error::IdempotencyKeyReused),
        (Repetition::Unrelated, _) if agent.key.is_some() => Err(Error::KeyTaken),
        (Repetition::Unrelated, _) => Err(Error::Internal("a new id is taken".into())),
    }
}

fn created(agent: &Agent) -> Result<Reply> {
    let reply = Reply::json(StatusCode::CREATED, &AgentView::from(agent))?;
    Ok(reply.with_etag(agent.rev).with_location(&format!("/v1/agents/{}", agent.id)))
}
