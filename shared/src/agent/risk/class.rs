//! The classes of risks: a name, a rule, and whether a reviewer should look twice. Names are stored in
//! policies and sent to clients, so one that was released stays. `docs/risks.md` has a section for each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes the classes of one table, so that none lacks a name, a word on whether it is elevated, or a rule.
macro_rules! classes {
    ($($class:ident $name:literal elevated: $elevated:literal, $rule:literal;)*) => {
        /// A class of risks. Whatever may differ between two contents has one.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum RiskClass {
            $($class,)*
        }

        impl RiskClass {
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$class),*];

            /// Their names, in the same order.
            pub const NAMES: [&'static str; Self::ALL.len()] = [$($name),*];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$class => $name,)*
                }
            }

            /// Which changes are of the class, in one sentence of Markdown.
            pub fn rule(self) -> &'static str {
                match self {
                    $(Self::$class => $rule,)*
                }
            }

            /// Whether a reviewer should look twice: the agent may reach or spend more, less holds it
            /// back, or something leads it that was not tried with it yet.
            pub fn is_elevated(self) -> bool {
                match self {
                    $(Self::$class => $elevated,)*
                }
            }
        }
    };
}

classes! {
    ToolsWidened "tools_widened" elevated: true,
        "A tool is added, or an MCP server's `allowed_tools` gains a name or is lifted.";
    ToolsNarrowed "tools_narrowed" elevated: false,
        "A tool is removed, or an MCP server's `allowed_tools` loses a name or is introduced.";
    ToolChanged "tool_changed" elevated: true,
        "A tool that stays differs in anything but the need of approval, its place in the list included.";
    ToolApprovalRemoved "tool_approval_removed" elevated: true,
        "The `approval` of a tool that stays was `always`, and is not any more.";
    ToolApprovalAdded "tool_approval_added" elevated: false,
        "The `approval` of a tool that stays is `always`, and was not before.";
    ModelChanged "model_changed" elevated: true,
        "The model's `provider`, `id` or `fallbacks` differ.";
    ParametersChanged "parameters_changed" elevated: false,
        "The model's `parameters` differ.";
    InstructionsChanged "instructions_changed" elevated: true,
        "The `instructions` differ.";
    GuardrailRemoved "guardrail_removed" elevated: true,
        "A guardrail is gone: its `id` and `stage` stand there fewer times.";
    GuardrailWeakened "guardrail_weakened" elevated: true,
        "The `action` of a guardrail that stays goes down, from `block` over `redact` to `warn`.";
    GuardrailStrengthened "guardrail_strengthened" elevated: false,
        "The `action` of a guardrail that stays goes up, from `warn` over `redact` to `block`.";
    GuardrailAdded "guardrail_added" elevated: false,
        "A guardrail is new: its `id` and `stage` stand there more times.";
    GuardrailsReordered "guardrails_reordered" elevated: true,
        "The guardrails that stay are in another order.";
    LimitsRaised "limits_raised" elevated: true,
        "A limit (`max_steps`, `timeout_s`, `budget_usd`) is raised or lifted, or all `limits` are.";
    LimitsLowered "limits_lowered" elevated: false,
        "A limit (`max_steps`, `timeout_s`, `budget_usd`) is lowered or introduced, or `limits` are.";
    McpServerAdded "mcp_server_added" elevated: true,
        "An MCP server is new, with all the tools that it allows.";
    McpServerRemoved "mcp_server_removed" elevated: false,
        "An MCP server is gone, with all the tools that it allowed.";
    McpServerChanged "mcp_server_changed" elevated: true,
        "An MCP server that stays has another `url`, `auth_ref` or place in the list.";
    KnowledgeWidened "knowledge_widened" elevated: true,
        "A knowledge base is added, or the `filters` of one that stays are changed or removed.";
    KnowledgeNarrowed "knowledge_narrowed" elevated: false,
        "A knowledge base is removed, or one that stays has `filters` and had none.";
    KnowledgeChanged "knowledge_changed" elevated: false,
        "A knowledge base that stays has another `top_k` or place in the list.";
    SubAgentsAdded "sub_agents_added" elevated: true,
        "The agent may hand work to an agent that it could not hand work to before.";
    SubAgentsRemoved "sub_agents_removed" elevated: false,
        "The agent may not hand work to an agent any more.";
    SubAgentsChanged "sub_agents_changed" elevated: true,
        "A sub-agent that stays has another `alias` or place in the list.";
    MemoryChanged "memory_changed" elevated: true,
        "The `memory` differs.";
    ResponseFormatChanged "response_format_changed" elevated: false,
        "The `response_format` differs.";
    VariablesChanged "variables_changed" elevated: false,
        "The `variables_schema` differs.";
    DescriptionChanged "description_changed" elevated: false,
        "The `name`, `description`, `tags` or `metadata` differ, which say what the agent is filed under.";
}
