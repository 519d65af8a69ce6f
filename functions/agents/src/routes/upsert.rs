//! `PUT /v1/agents/by-key/{key}`: the agent under a key is what the document says, whether or not it
//! was there. For configuration that is kept in git.

use agent_management::agent::store::{self, Assumed, Operation, Stored, Written};
use agent_management::agent::{self, Agent, Creation, NewAgent, Request};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Caller;
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply, answer};
use agent_management::id::AgentKey;
use agent_management::usecase::change::{admitted, back_off};
use agent_management::usecase::insert::{Inserted, insert};
use agent_management::violation::Violation;

use crate::Agents;

const ATTEMPTS_MAX: u32 = 30;

pub async fn upsert(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let precondition = Precondition::read(&call.headers)?;
    let only_creates = Precondition::only_creates(&call.headers)?;
    let key: AgentKey = call.param("key", "agent")?;
    let new = read(call, &key)?;
    let id = agent::id_of_key(&caller.tenant, &key);
    let operation = Operation::begin();
    for attempt in 0..ATTEMPTS_MAX {
        match store::get(&agents.base.store, &caller.tenant, &id).await {
            Ok(stored) => {
                precondition.check(stored.agent.rev)?;
                if only_creates {
                    return Err(Error::PreconditionFailed);
                }
                match replace(agents, call, caller, &stored, &new, operation).await? {
                    Some(agent) => return answer::agent(&agent),
                    None if precondition.is_open() => back_off(attempt).await,
                    None => return Err(Error::PreconditionFailed),
                }
            }
            Err(Error::NotFound(_)) if precondition != Precondition::None => {
                return Err(Error::PreconditionFailed);
            }
            Err(Error::NotFound(_)) => {
                let request =
                    Request { route: "PUT /v1/agents/by-key/{key}", idempotency_key: None, said: "" };
                let agent = Agent::create(id.clone(), new.clone(), caller.user.clone(), call.now);
                let creation = Creation::new(&caller.user, &request, call.now);
                match insert(&agents.base, caller, agent, creation).await? {
                    Inserted::Created(agent) | Inserted::Replayed(agent) => return answer::created(&agent),
                    Inserted::Taken => back_off(attempt).await,
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(Error::Unavailable("the agent keeps changing".into()))
}

/// The document, which may repeat the key of the path but name no other.
fn read(call: &Call, key: &AgentKey) -> Result<NewAgent> {
    let new = NewAgent::read(call.json()?)?;
    if new.key.as_ref().is_some_and(|given| given != key) {
        let violation = Violation::new("/key", "mismatch", "must be the key in the path, or absent");
        return Err(Error::Invalid(vec![violation]));
    }
    Ok(NewAgent { key: Some(key.clone()), ..new })
}

/// The agent with the document's content, or none if it changed meanwhile.
async fn replace(
    agents: &Agents,
    call: &Call,
    caller: &Caller,
    stored: &Stored,
    new: &NewAgent,
    operation: Operation,
) -> Result<Option<Agent>> {
    let Some(content) = agent::change::replaced(&stored.agent, &new.content)? else {
        return Ok(Some(stored.agent.clone()));
    };
    let after = admitted(&agents.base, caller, stored.agent.with_content(content, &caller.user, call.now))?;
    let assumed = Assumed { entitlements: &caller.entitlements, max: None };
    match store::update(&agents.base.store, &caller.tenant, stored, &after, operation, assumed).await? {
        Written::Done => Ok(Some(after)),
        Written::Landed(now) => Ok(Some(*now)),
        Written::Stale | Written::Refused(_) => Ok(None),
    }
}
