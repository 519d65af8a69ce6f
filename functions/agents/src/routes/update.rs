//! `PATCH /v1/agents/{id}`, and `PUT` and `DELETE /v1/agents/{id}/tools/{tool_id}`.

use agent_management::agent::change;
use agent_management::error::Result;
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply, answer};
use agent_management::patch::Dialect;
use agent_management::usecase::change::admitted;

use super::change;
use crate::Agents;

pub async fn patch(agents: &Agents, call: &Call) -> Result<Reply> {
    let dialect = Dialect::of(call.media_type().as_deref())?;
    let caller = call.caller()?;
    call.parameters(&[])?;
    let precondition = Precondition::read(&call.headers)?.required()?;
    let patch = call.patch(dialect)?;
    let changed = change(agents, call, &precondition, |agent| {
        let content = change::patched(agent, &patch)?;
        let after = content.map(|content| agent.with_content(content, &caller.user, call.now));
        after.map(|after| admitted(&agents.base, caller, after)).transpose()
    });
    answer::agent(&changed.await?)
}

pub async fn put_tool(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let precondition = Precondition::read(&call.headers)?.required()?;
    let tool_id: String = call.param("tool_id", "tool")?;
    let tool = call.json()?;
    let changed = change(agents, call, &precondition, |agent| {
        let content = change::with_tool(agent, &tool_id, tool.clone())?;
        let after = content.map(|content| agent.with_content(content, &caller.user, call.now));
        after.map(|after| admitted(&agents.base, caller, after)).transpose()
    });
    answer::agent(&changed.await?)
}

pub async fn delete_tool(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let precondition = Precondition::read(&call.headers)?.required()?;
    let tool_id: String = call.param("tool_id", "tool")?;
    let changed = change(agents, call, &precondition, |agent| {
        let content = change::without_tool(agent, &tool_id)?;
        Ok(Some(agent.with_content(content, &caller.user, call.now)))
    });
    answer::agent(&changed.await?)
}
