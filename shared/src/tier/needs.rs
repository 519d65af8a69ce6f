//! What a draft needs of a tier, in as few bytes as a row of a list has room for: the tier engine judges by
//! this alone, so that whole tenants can be judged without reading their agents.

use serde::{Deserialize, Serialize};

use crate::agent::config::Config;

/// What a draft needs of a tier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// `provider/id` of the model; a row has it in an attribute of its own.
    #[serde(skip)]
    pub model: String,
    /// The same of each fallback, in order.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
    #[serde(rename = "t", default, skip_serializing_if = "is_zero")]
    pub tools: u64,
    #[serde(rename = "s", default, skip_serializing_if = "is_zero")]
    pub mcp_servers: u64,
    /// UTF-8 bytes of the instructions.
    #[serde(rename = "i", default, skip_serializing_if = "is_zero")]
    pub instructions: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Needs {
    pub fn of(config: &Config) -> Self {
        let name = |provider: &str, id: &str| format!("{provider}/{id}");
        Self {
            model: name(&config.model.provider, &config.model.id),
            fallbacks: config.model.fallbacks.iter().map(|model| name(&model.provider, &model.id)).collect(),
            tools: config.tools.len() as u64,
            mcp_servers: config.mcp_servers.len() as u64,
            instructions: config.instructions.len() as u64,
        }
    }
}
