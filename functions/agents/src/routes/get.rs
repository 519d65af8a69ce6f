//! `GET /v1/agents/{id}`.

use agent_management::agent::{self, AgentView, FIELDS, Fields};
use agent_management::error::Result;
use agent_management::http::{Call, Reply, precondition};
use http::StatusCode;

use crate::Agents;

pub async fn get(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let fields = call.parameters(&["fields"])?.get("fields");
    let fields = fields.map(|fields| Fields::parse(fields, &FIELDS)).transpose()?;
    let id = call.param("id", "agent")?;
    let agent = agent::store::get(&agents.store, &caller.tenant, &id).await?.agent;
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
