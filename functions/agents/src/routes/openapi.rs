//! `GET /openapi.json`.

use agent_management::error::Result;
use agent_management::http::{Call, Reply, openapi};

use crate::Agents;

pub fn openapi(agents: &Agents, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    Reply::ok(agents.openapi.get_or_init(openapi::document))
}
