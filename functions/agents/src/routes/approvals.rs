//! `GET /v1/approvals`, `GET /v1/approvals/{approval_id}`, and `POST …/accept` and `…/reject`.

use std::collections::BTreeMap;

use agent_management::agent::alias::{Alias, refuse_oversized};
use agent_management::agent::change::refuse_archived;
use agent_management::agent::store::{self, Operation, Stored, Together, Written};
use agent_management::agent::{Agent, Stamp};
use agent_management::approval::{self, Approval, ApprovalView, Decision, RejectDocument, State};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Caller;
use agent_management::http::{Call, Reply};
use agent_management::id::{AgentId, ApprovalId};
use agent_management::page::{Binding, Page};
use agent_management::usecase::change::{ATTEMPTS_MAX, back_off};
use agent_management::usecase::repoint::project;

use crate::Agents;

pub async fn list(agents: &Agents, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    let parameters = call.parameters(&["limit", "cursor", "state", "agent"])?;
    let limit = parameters.limit()?;
    let state = parameters.get("state").map(state).transpose()?;
    let agent = parameters.get("agent").map(agent).transpose()?;
    let asked = [parameters.get("state").unwrap_or_default(), parameters.get("agent").unwrap_or_default()];
    let binding = Binding::new(&[tenant.as_str(), "approvals", asked[0], asked[1]]);
    let after = parameters.get("cursor").map(|cursor| binding.decode(cursor)).transpose()?;
    let page = approval::store::list(&agents.base.store, tenant, after.as_deref(), limit, call.now).await?;
    let wanted = |approval: &&Approval| {
        state.is_none_or(|state| approval.state(call.now) == state)
            && agent.as_ref().is_none_or(|agent| approval.agent == *agent)
    };
    let items = page.items.iter().filter(wanted).map(|approval| ApprovalView::new(approval, call.now));
    let next_cursor = page.next_cursor.map(|id| binding.encode(&id));
    Reply::ok(&Page { items: items.collect(), next_cursor })
}

fn state(text: &str) -> Result<State> {
    State::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| Error::InvalidParameter {
        name: "state",
        detail: "must be pending, accepted, rejected or expired".to_owned(),
    })
}

fn agent(text: &str) -> Result<AgentId> {
    let detail = || "must be the id of an agent".to_owned();
    text.parse().map_err(|_| Error::InvalidParameter { name: "agent", detail: detail() })
}

pub async fn get(agents: &Agents, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    let approval = read(agents, call).await?;
    Reply::ok(&ApprovalView::new(&approval, call.now))
}

async fn read(agents: &Agents, call: &Call) -> Result<Approval> {
    let id: ApprovalId = call.param("approval_id", "approval")?;
    approval::store::get(&agents.base.store, &call.caller()?.tenant, &id, call.now).await
}

/// The approval, if the caller may decide it.
async fn of_another(agents: &Agents, call: &Call) -> Result<Approval> {
    let approval = read(agents, call).await?;
    if approval.requested.by == call.caller()?.user { Err(Error::OwnApproval) } else { Ok(approval) }
}

pub async fn accept(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    call.nothing_said()?;
    let approval = of_another(agents, call).await?;
    let stamp = Stamp { at: call.now, by: caller.user.clone() };
    let accepted = approval.decide(Decision::Accepted(stamp), call.now)?;
    let operation = Operation::begin();
    for attempt in 0..ATTEMPTS_MAX {
        let stored = match store::get(&agents.base.store, &caller.tenant, &approval.agent).await {
            Err(Error::NotFound(_)) => return Err(Error::Conflict("The agent is deleted.".to_owned())),
            stored => stored?,
        };
        let after = applied(&stored.agent, &accepted, call, caller)?;
        match accept_once(agents, caller, &stored, &after, operation, &accepted).await? {
            Written::Done | Written::Landed(_) => {
                return Reply::ok(&ApprovalView::new(&accepted, call.now));
            }
            Written::Stale | Written::Refused(_) => back_off(attempt).await,
        }
    }
    Err(Error::Unavailable("the agent keeps changing".into()))
}

/// The agent with the change that was asked for, if its alias is still as it was judged.
fn applied(agent: &Agent, approval: &Approval, call: &Call, caller: &Caller) -> Result<Agent> {
    refuse_archived(agent)?;
    let same = |alias: &Alias| {
        let before = &approval.before;
        alias.routes == before.routes && alias.paused == before.paused && alias.policy == before.policy
    };
    if !agent.aliases.get(&approval.alias).is_some_and(same) {
        return Err(Error::Conflict("The alias has changed since; ask again.".to_owned()));
    }
    if !approval.after.routes.iter().all(|route| agent.versions.contains(route.version)) {
        return Err(Error::Conflict("A version that the alias is to lead to is gone.".to_owned()));
    }
    let after = agent.with_alias(approval.alias.clone(), approval.after.clone(), &caller.user, call.now);
    refuse_oversized(&after.aliases)?;
    Ok(after)
}

async fn accept_once(
    agents: &Agents,
    caller: &Caller,
    stored: &Stored,
    after: &Agent,
    operation: Operation,
    accepted: &Approval,
) -> Result<Written> {
    let (store, tenant) = (&agents.base.store, &caller.tenant);
    let action = approval::store::accept(store, tenant, accepted)?;
    let written = match store::update_with(store, tenant, stored, after, operation, action).await? {
        Together::Written(written) => written,
        Together::OtherRefused(_) => {
            return Err(Error::Conflict("Someone has decided the approval meanwhile.".to_owned()));
        }
    };
    if let Written::Done | Written::Landed(_) = written {
        project(&agents.base, tenant, &stored.agent, after, &BTreeMap::new()).await;
    }
    Ok(written)
}

pub async fn reject(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let RejectDocument { reason } = RejectDocument::read(call.json_or_empty()?)?;
    let approval = of_another(agents, call).await?;
    let by = Stamp { at: call.now, by: caller.user.clone() };
    let rejected = approval.decide(Decision::Rejected { by, reason }, call.now)?;
    if approval::store::reject(&agents.base.store, &caller.tenant, &rejected).await? {
        Reply::ok(&ApprovalView::new(&rejected, call.now))
    } else {
        Err(Error::Conflict("Someone has decided the approval meanwhile.".to_owned()))
    }
}
