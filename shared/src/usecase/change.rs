//! The one use case behind every route that changes an agent: read it, decide, and write it if it is
//! still as it was read.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agent::Agent;
use crate::agent::store::{self, Operation, Stored, Written};
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::http::precondition::Precondition;
use crate::id::AgentId;
use crate::tenant::Counted;
use crate::tier::Entitlements;

use super::Base;
use super::insert::judge;
use super::repoint::project;

/// How often a change that named no rev is made again because another one came between.
pub const ATTEMPTS_MAX: u32 = 30;
const BACKOFF_MAX_MS: u64 = 40;

/// Makes of the agent what `decide` says, and answers the agent as it is then. Nothing is written
/// when `decide` says that there is nothing to do.
pub async fn change(
    base: &Base,
    caller: &Caller,
    id: &AgentId,
    precondition: &Precondition,
    decide: impl Fn(&Agent) -> Result<Option<Agent>>,
) -> Result<Agent> {
    let mut entitlements = caller.entitlements.clone();
    let operation = Operation::begin();
    for attempt in 0..ATTEMPTS_MAX {
        let stored = store::get(&base.store, &caller.tenant, id).await?;
        precondition.check(stored.agent.rev)?;
        let Some(after) = decide(&stored.agent)? else {
            return Ok(stored.agent);
        };
        let wanted = Attempt { number: attempt, operation, precondition };
        if let Some(now) = write(base, caller, &stored, &after, wanted, &mut entitlements).await? {
            return Ok(now);
        }
    }
    Err(Error::Unavailable("the agent keeps changing".into()))
}

/// One try at a change.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// How many came before it.
    pub number: u32,
    pub operation: Operation,
    pub precondition: &'a Precondition,
}

/// Writes a change that was decided, and brings along what follows. The agent as it is then; none if it has to
/// be read again, or if `entitlements` were others and are now right.
///
/// # Errors
/// [`Error::PreconditionFailed`] when the agent has changed and the precondition names a `rev`.
pub async fn write(
    base: &Base,
    caller: &Caller,
    stored: &Stored,
    after: &Agent,
    attempt: Attempt<'_>,
    entitlements: &mut Entitlements,
) -> Result<Option<Agent>> {
    let Attempt { number, operation, precondition } = attempt;
    let assumed = base.assumed(entitlements, Counted::Agents);
    match store::update(&base.store, &caller.tenant, stored, after, operation, assumed).await? {
        Written::Done => {
            project(base, &caller.tenant, &stored.agent, after, &BTreeMap::new()).await;
            return Ok(Some(after.clone()));
        }
        Written::Landed(now) => return Ok(Some(*now)),
        Written::Stale if precondition.is_open() => back_off(number).await,
        Written::Stale => return Err(Error::PreconditionFailed),
        Written::Refused(tenant) => {
            *entitlements = base.entitlements_after(&tenant, entitlements, Counted::Agents)?;
        }
    }
    Ok(None)
}

/// Waits a little, at random, so that writers who met do not meet again.
pub async fn back_off(attempt: u32) {
    let bound_ms = (1 << attempt.min(6)).min(BACKOFF_MAX_MS);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=bound_ms))).await;
}

/// `agent`, if the caller's tier admits its content, with what the catalogue says of its model.
///
/// # Errors
/// [`Error::Entitlement`] with every violation.
pub fn admitted(base: &Base, caller: &Caller, agent: Agent) -> Result<Agent> {
    let violations = judge(base, &caller.entitlements, &agent);
    if violations.is_empty() { Ok(told(base, agent)) } else { Err(Error::Entitlement(violations)) }
}

/// `agent`, with what the catalogue says of its model.
pub fn told(base: &Base, agent: Agent) -> Agent {
    let model = &agent.content.config.model;
    Agent { retiring: base.tiers.retirement(&model.provider, &model.id), ..agent }
}
