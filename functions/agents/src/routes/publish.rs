//! `POST /v1/agents/{id}/publish` and `POST /v1/agents/{id}/rollback`.

use agent_management::agent::alias::{AliasView, Wanted, heaviest};
use agent_management::agent::change::refuse_archived;
use agent_management::agent::version::{
    Publication, Release, RollbackDocument, VersionView, unknown_version,
};
use agent_management::agent::{Agent, Creation, Request};
use agent_management::approval::ApprovalView;
use agent_management::error::{Error, Result};
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply, answer};
use agent_management::id::{AgentId, AliasName};
use agent_management::json;
use agent_management::usecase::publish::{self, Published};
use agent_management::usecase::repoint::repoint;
use http::StatusCode;

use crate::Agents;
use crate::routes::aliases::repointed;

pub async fn publish(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let idempotency_key = call.idempotency_key()?;
    let document = call.json_or_empty()?;
    let id: AgentId = call.param("id", "agent")?;
    let said = format!("{id} {document}");
    let request = Request { route: "POST /v1/agents/{id}/publish", idempotency_key, said: &said };
    let creation = Creation::new(&caller.user, &request, call.now);
    let is_keyed = idempotency_key.is_some();
    let request = publish::Request { release: Release::read(document)?, creation, is_keyed, now: call.now };
    let precondition = Precondition::read(&call.headers)?;
    let published = Box::pin(publish::publish(&agents.base, caller, &id, &precondition, &request)).await?;
    reply(call, &published)
}

fn reply(call: &Call, published: &Published) -> Result<Reply> {
    let Published { agent, version, minted, approval, is_replay } = published;
    let status = match approval {
        Some(_) => StatusCode::ACCEPTED,
        None if *minted => StatusCode::CREATED,
        None => StatusCode::OK,
    };
    let live = AliasName::live();
    let reply = Reply::json(
        status,
        &Publication {
            minted: *minted,
            version: VersionView::from(version),
            live: agent.aliases.get(&live).map(|alias| AliasView::new(&live, alias)),
            approval: approval.as_ref().map(|approval| ApprovalView::new(approval, call.now)),
        },
    )?;
    let place = match approval {
        Some(approval) => format!("/v1/approvals/{}", approval.id),
        None => format!("/v1/agents/{}/versions/{}", agent.id, version.number),
    };
    let reply = reply.with_etag(agent.rev).with_location(&place);
    Ok(if *is_replay { reply.replayed() } else { reply })
}

pub async fn rollback(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let precondition = Precondition::read(&call.headers)?;
    let RollbackDocument { version } = json::read(call.json_or_empty()?)?;
    let id: AgentId = call.param("id", "agent")?;
    let decide = |agent: &Agent| target(agent, version);
    let outcome = Box::pin(repoint(&agents.base, caller, &id, &precondition, call.now, decide)).await?;
    repointed(call, outcome, answer::agent)
}

/// `live` with all of its conversations on the version that is asked for, or on the one before.
fn target(agent: &Agent, asked: Option<u64>) -> Result<Wanted> {
    refuse_archived(agent)?;
    let live = agent.aliases.get(&AliasName::live()).ok_or(Error::Unpublished)?;
    let current = heaviest(&live.routes).ok_or(Error::Unpublished)?.version;
    let version = match asked {
        Some(version) if agent.versions.contains(version) => version,
        Some(_) => return Err(unknown_version("/version")),
        // Not one that was published and never let through.
        None => agent
            .led
            .before(current)
            .ok_or_else(|| Error::Conflict("There is no earlier version.".to_owned()))?,
    };
    Ok(Wanted::only(agent, AliasName::live(), version))
}
