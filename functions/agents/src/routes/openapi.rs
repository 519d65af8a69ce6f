//! `GET /openapi.json`.

use agent_management::error::Result;
use agent_management::http::{Call, Reply, openapi};

use serde_json::json;

use crate::Agents;

pub fn openapi(agents: &Agents, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    let mut document = agents.openapi.get_or_init(openapi::document).clone();
    document["servers"] = json!([{"url": call.base_path.server()}]);
    Reply::ok(&document)
}
