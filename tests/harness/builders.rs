//! Documents to send. A builder's defaults are valid and small; a test names what matters to it.

use serde_json::{Value, json};

/// A valid agent on the lowest tier.
pub fn an_agent() -> AgentBuilder {
    AgentBuilder {
        document: json!({
            "name": "Support",
            "config": {
                "model": {"provider": "anthropic", "id": "claude-haiku-4-5"},
                "instructions": "Answer questions about orders.",
            },
        }),
    }
}

#[derive(Debug, Clone)]
pub struct AgentBuilder {
    document: Value,
}

impl AgentBuilder {
    pub fn named(self, name: &str) -> Self {
        self.with("name", json!(name))
    }

    pub fn keyed(self, key: &str) -> Self {
        self.with("key", json!(key))
    }

    /// Sets a member of the document.
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.document[member] = value;
        self
    }

    /// Sets a member of the configuration.
    pub fn configured(mut self, member: &str, value: Value) -> Self {
        self.document["config"][member] = value;
        self
    }

    pub fn on_model(self, provider: &str, id: &str) -> Self {
        self.configured("model", json!({"provider": provider, "id": id}))
    }

    /// With as many tools, each with an id of its own.
    pub fn with_tools(self, count: usize) -> Self {
        let tools: Vec<_> = (0..count).map(|index| json!({"tool_id": format!("tool-{index}")})).collect();
        self.configured("tools", json!(tools))
    }

    pub fn build(self) -> Value {
        self.document
    }
}
