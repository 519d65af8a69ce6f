//! `GET /v1/agents/{id}/aliases`, and `PUT` and `DELETE /v1/agents/{id}/aliases/{alias}`.

use agent_management::agent::alias::{AliasDocument, AliasView, Wanted};
use agent_management::agent::change::refuse_archived;
use agent_management::agent::version::unknown_version;
use agent_management::agent::{Agent, store};
use agent_management::approval::ApprovalView;
use agent_management::error::{Error, Result};
use agent_management::http::documents::Items;
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply};
use agent_management::id::{AgentId, AliasName};
use agent_management::usecase::dependents::refuse_dependents;
use agent_management::usecase::repoint::{Repointed, repoint};
use http::StatusCode;

use super::change;
use crate::Agents;

pub async fn list(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let id: AgentId = call.param("id", "agent")?;
    let agent = store::get(&agents.base.store, &caller.tenant, &id).await?.agent;
    let aliases = agent.aliases.iter().map(|(name, alias)| AliasView::new(name, alias));
    Ok(Reply::ok(&Items::whole(aliases.collect()))?.with_etag(agent.rev))
}

pub async fn put(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let precondition = Precondition::read(&call.headers)?.required()?;
    let name = alias_name(call)?;
    let document = AliasDocument::read(call.json()?)?;
    let id: AgentId = call.param("id", "agent")?;
    let limits = agents.base.tiers.limits(&caller.entitlements);
    let decide = |agent: &Agent| {
        refuse_archived(agent)?;
        if let Some(index) = document.routes.iter().position(|one| !agent.versions.contains(one.version)) {
            return Err(unknown_version(format!("/routes/{index}/version")));
        }
        let wanted = Wanted::of(name.clone(), document.clone());
        let violations = wanted.violations(&agents.base.tiers, &limits, agent, &document.routes);
        if violations.is_empty() { Ok(wanted) } else { Err(Error::Entitlement(violations)) }
    };
    let outcome = Box::pin(repoint(&agents.base, caller, &id, &precondition, call.now, decide)).await?;
    let status = match outcome {
        Repointed::Created(_) => StatusCode::CREATED,
        Repointed::Unchanged(_) | Repointed::Changed(_) | Repointed::Asked(_) => StatusCode::OK,
    };
    repointed(call, outcome, |agent| {
        let alias =
            agent.aliases.get(&name).ok_or_else(|| Error::internal("an alias just written is gone"))?;
        let reply = Reply::json(status, &AliasView::new(&name, alias))?.with_etag(agent.rev);
        let place = format!("/v1/agents/{id}/aliases/{name}");
        Ok(if status == StatusCode::CREATED { reply.with_location(&place) } else { reply })
    })
}

/// The answer to a change of an alias: what was asked of another user, or what `answer` makes of the agent.
pub fn repointed(
    call: &Call,
    outcome: Repointed,
    answer: impl FnOnce(&Agent) -> Result<Reply>,
) -> Result<Reply> {
    match outcome {
        Repointed::Unchanged(agent) | Repointed::Changed(agent) | Repointed::Created(agent) => answer(&agent),
        Repointed::Asked(approval) => {
            let reply = Reply::json(StatusCode::ACCEPTED, &ApprovalView::new(&approval, call.now))?;
            Ok(reply.with_location(&format!("/v1/approvals/{}", approval.id)))
        }
    }
}

pub async fn delete(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let is_forced = call.parameters(&["force"])?.switch("force")?;
    let precondition = Precondition::read(&call.headers)?.required()?;
    let name = alias_name(call)?;
    if !is_forced {
        let id: AgentId = call.param("id", "agent")?;
        refuse_dependents(&agents.base, &caller.tenant, &id, Some(name.as_str())).await?;
    }
    let changed = change(agents, call, &precondition, |agent| {
        let alias = agent.aliases.get(&name).ok_or(Error::NotFound("alias"))?;
        refuse_archived(agent)?;
        if name.is_live() {
            return Err(Error::Conflict("live is not removed; pause it instead.".to_owned()));
        }
        if !alias.policy.is_empty() {
            return Err(Error::Conflict("The alias has a policy; remove that first.".to_owned()));
        }
        Ok(Some(agent.without_alias(&name, &caller.user, call.now)))
    });
    changed.await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// The alias in the path. What can't be a name of one is not found, as any other part of a path.
fn alias_name(call: &Call) -> Result<AliasName> {
    call.param("alias", "alias")
}
