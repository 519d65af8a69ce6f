//! The public JSON of what is counted, and of dependents. What is found answers as a list's rows do.

use schemars::JsonSchema;
use serde::Serialize;

/// How many agents a filter admits.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AgentCount")]
pub struct CountView {
    /// As many as this request came across.
    pub count: u64,
    /// Null when that is all. Else ask again with it, and add what is counted then.
    pub next_cursor: Option<String>,
}

/// An agent that hands work to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Dependent {
    pub id: String,
    pub key: Option<String>,
    pub name: String,
    pub status: String,
    /// The aliases of the other that it asks for.
    pub aliases: Vec<String>,
}
