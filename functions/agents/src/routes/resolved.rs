//! `GET /v1/agents/{id}/resolved`: what a conversation gets. `live` is one small read of its copy.

use agent_management::agent::alias::{Route, route_of};
use agent_management::agent::live::{self, Hold};
use agent_management::agent::resolved::{Resolved, ResolvedView};
use agent_management::agent::version::Number;
use agent_management::agent::{Agent, store, version};
use agent_management::error::{Error, Result};
use agent_management::http::{Call, Parameters, Reply, precondition};
use agent_management::id::{AgentId, AliasName, TenantId};
use http::StatusCode;

use crate::Agents;

/// A conversation's id, in bytes.
const CONVERSATION_MAX: usize = 256;

pub async fn resolved(agents: &Agents, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    let parameters = call.parameters(&["alias", "version", "conversation"])?;
    let id: AgentId = call.param("id", "agent")?;
    let conversation = conversation(parameters)?;
    let resolved = match (alias(parameters)?, parameters.get("version")) {
        (None, Some(number)) => by_version(agents, tenant, &id, number).await?,
        (Some(_), Some(_)) => {
            let detail = "not together with alias".to_owned();
            return Err(Error::InvalidParameter { name: "version", detail });
        }
        (Some(name), None) if !name.is_live() => by_alias(agents, tenant, &id, name, conversation).await?,
        (Some(_) | None, None) => by_live(agents, tenant, &id, conversation).await?,
    };
    let tag = resolved.config.hash();
    if precondition::is_same(&call.headers, &tag) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).with_weak_tag(&tag));
    }
    Ok(Reply::ok(&ResolvedView::from(&resolved))?.with_weak_tag(&tag))
}

fn alias(parameters: Parameters<'_>) -> Result<Option<AliasName>> {
    let invalid = |_| Error::InvalidParameter { name: "alias", detail: "is no name of an alias".to_owned() };
    parameters.get("alias").map(|name| name.parse().map_err(invalid)).transpose()
}

fn conversation(parameters: Parameters<'_>) -> Result<Option<&str>> {
    match parameters.get("conversation") {
        Some(given) if given.is_empty() || given.len() > CONVERSATION_MAX => {
            let detail = format!("must be 1 to {CONVERSATION_MAX} bytes");
            Err(Error::InvalidParameter { name: "conversation", detail })
        }
        given => Ok(given),
    }
}

/// A version keeps resolving whatever becomes of the agent's aliases.
async fn by_version(agents: &Agents, tenant: &TenantId, id: &AgentId, number: &str) -> Result<Resolved> {
    let invalid = |_| Error::InvalidParameter { name: "version", detail: "must be a number".to_owned() };
    let Number(number) = number.parse().map_err(invalid)?;
    let agent = store::get(&agents.base.store, tenant, id).await?.agent;
    if !agent.versions.contains(number) {
        return Err(Error::NotFound("version"));
    }
    let found = version::store::find(&agents.base.store, tenant, id, number).await?;
    let version = found.ok_or(Error::NotFound("version"))?;
    Ok(Resolved {
        agent: id.clone(),
        alias: None,
        version: number,
        routes: Vec::new(),
        config: version.content.config,
    })
}

async fn by_live(
    agents: &Agents,
    tenant: &TenantId,
    id: &AgentId,
    conversation: Option<&str>,
) -> Result<Resolved> {
    let Some(copy) = live::store::get(&agents.base.store, tenant, id).await? else {
        // Nothing is published, or the copy is still on its way.
        return by_alias(agents, tenant, id, AliasName::live(), conversation).await;
    };
    let route = admitted(copy.hold, id, &copy.routes, conversation)?;
    let config = if route.version == copy.version {
        copy.config
    } else {
        match version::store::find(&agents.base.store, tenant, id, route.version).await? {
            Some(version) => version.content.config,
            // The copy is older than the version's end.
            None => return by_alias(agents, tenant, id, AliasName::live(), conversation).await,
        }
    };
    let alias = Some(AliasName::live());
    Ok(Resolved { agent: id.clone(), alias, version: route.version, routes: copy.routes, config })
}

async fn by_alias(
    agents: &Agents,
    tenant: &TenantId,
    id: &AgentId,
    name: AliasName,
    conversation: Option<&str>,
) -> Result<Resolved> {
    let agent: Agent = store::get(&agents.base.store, tenant, id).await?.agent;
    let alias = match agent.aliases.get(&name) {
        Some(alias) => alias,
        None if name.is_live() => return Err(Error::Unpublished),
        None => return Err(Error::NotFound("alias")),
    };
    let route = admitted(live::hold(&agent, alias.paused), id, &alias.routes, conversation)?;
    let version = version::store::get(&agents.base.store, tenant, id, route.version).await?;
    Ok(Resolved {
        agent: id.clone(),
        alias: Some(name),
        version: route.version,
        routes: alias.routes.clone(),
        config: version.content.config,
    })
}

fn admitted(hold: Option<Hold>, id: &AgentId, routes: &[Route], conversation: Option<&str>) -> Result<Route> {
    match hold {
        Some(hold) => Err(Error::Held(hold)),
        None => route_of(id, routes, conversation).ok_or(Error::Unpublished),
    }
}
