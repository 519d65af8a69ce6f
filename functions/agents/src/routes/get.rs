//! `GET /v1/agents/{id}` and `GET /v1/agents/by-key/{key}`.

use agent_management::agent::{self, AgentView, FIELDS, Fields};
use agent_management::error::Result;
use agent_management::http::{Call, Reply, precondition};
use agent_management::id::AgentId;
use http::StatusCode;

use crate::Agents;

pub async fn get(agents: &Agents, call: &Call) -> Result<Reply> {
    answer(agents, call, &call.param("id", "agent")?).await
}

pub async fn get_by_key(agents: &Agents, call: &Call) -> Result<Reply> {
    let id = agent::id_of_key(&call.caller()?.tenant, &call.param("key", "agent")?);
    answer(agents, call, &id).await
}

async fn answer(agents: &Agents, call: &Call, id: &AgentId) -> Result<Reply> {
    let caller = call.caller()?;
    let fields = call.parameters(&["fields"])?.get("fields");
    let fields = fields.map(|fields| Fields::parse(fields, &FIELDS)).transpose()?;
    let agent = agent::store::get(&agents.base.store, &caller.tenant, id).await?.agent;
    if precondition::is_unchanged(&call.headers, agent.rev) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).with_etag(agent.rev));
    }
    let view = AgentView::from(&agent);
    let reply = match fields {
        Some(fields) => Reply::ok(&fields.of(&view)?)?,
        None => Reply::ok(&view)?,
    };
    Ok(reply.with_etag(agent.rev))
}
