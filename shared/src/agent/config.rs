//! An agent's configuration: what it may say and the bounds of each part, whatever the tier.
//! Secrets are references, never values. Parts that belong to others (a tool's own settings, a
//! filter, a schema) are kept as they came.

use std::borrow::Cow;
use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use validator::{Validate, ValidationError};

use crate::id::AgentId;
use crate::json::remove;
use crate::violation::Violation;

/// Model, instructions, tools and limits of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[validate(nested)]
    pub model: Model,
    /// The system prompt. The tier bounds its bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instructions: String,
    /// A JSON Schema of the variables that a conversation passes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables_schema: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[validate(length(max = 256), nested)]
    pub tools: Vec<Tool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[validate(length(max = 64), nested)]
    pub mcp_servers: Vec<McpServer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[validate(length(max = 64), nested)]
    pub knowledge: Vec<Knowledge>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub memory: Option<Memory>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[validate(length(max = 32), nested)]
    pub guardrails: Vec<Guardrail>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[validate(length(max = 32), nested)]
    pub sub_agents: Vec<SubAgent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub response_format: Option<ResponseFormat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub limits: Option<RunLimits>,
}

/// A model of the catalogue, or one of the tenant's own where the tier admits custom models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    #[validate(length(min = 1, max = 64), custom(function = "visible_ascii"))]
    pub provider: String,
    #[validate(length(min = 1, max = 128))]
    pub id: String,
    /// Tried in order when the model does not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[validate(length(max = 5), nested)]
    pub fallbacks: Vec<ModelRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub parameters: Option<ModelParameters>,
}

/// A model by provider and id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    #[validate(length(min = 1, max = 64), custom(function = "visible_ascii"))]
    pub provider: String,
    #[validate(length(min = 1, max = 128))]
    pub id: String,
}

impl ModelRef {
    /// A model as rows keep it: `provider/id`. A provider has no slash, an id may.
    pub(crate) fn stored(text: &str) -> Self {
        let (provider, id) = text.split_once('/').unwrap_or(("", text));
        Self { provider: provider.to_owned(), id: id.to_owned() }
    }
}

/// Sampling parameters. What is absent is the provider's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 0.0, max = 1.0))]
    pub top_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 1_000_000))]
    pub max_output_tokens: Option<u32>,
    /// Texts that end the output, up to 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[validate(length(max = 8), custom(function = "texts_of_1_to_64"))]
    pub stop: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<ReasoningEffort>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningEffort {
    None,
    Minimal,
    Low,
    Medium,
    High,
}

/// A tool of the registry that the agent may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    #[validate(length(min = 1, max = 128), custom(function = "visible_ascii"))]
    pub tool_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 64))]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 128))]
    pub schema_hash: Option<String>,
    /// The tool's own settings, kept as they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Map<String, Value>>,
    /// Whether a person must approve each call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ToolApproval>,
}

/// What a tool's own route reads: a tool whose id is in the path.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ToolSettings {
    /// May be repeated; then it must be the id in the path.
    pub tool_id: Option<String>,
    #[schemars(length(min = 1, max = 64))]
    pub version: Option<String>,
    #[schemars(length(min = 1, max = 128))]
    pub schema_hash: Option<String>,
    pub config: Option<Map<String, Value>>,
    pub approval: Option<ToolApproval>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolApproval {
    Never,
    Always,
}

/// A Model Context Protocol server. Its URL is kept and never fetched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpServer {
    #[validate(length(min = 1, max = 64))]
    pub name: String,
    /// An `https` URL without user information.
    #[validate(length(max = 2048), custom(function = "https_url"))]
    pub url: String,
    /// A reference to a secret: `secret://…` or an ARN of Secrets Manager or Parameter Store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 512), custom(function = "secret_reference"))]
    pub auth_ref: Option<String>,
    /// Names of the server's tools that the agent may call; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 128), custom(function = "texts_of_1_to_128"))]
    pub allowed_tools: Option<Vec<String>>,
}

/// A knowledge base that the agent may search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Knowledge {
    #[validate(length(min = 1, max = 128))]
    pub id: String,
    /// How many passages a search gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 100))]
    pub top_k: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Map<String, Value>>,
}

/// What the agent remembers between turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    pub mode: MemoryMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<MemoryScope>,
    /// Seconds that an entry is kept, up to a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 60, max = 31_536_000))]
    pub ttl_s: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemoryMode {
    None,
    Window,
    Summary,
    Semantic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemoryScope {
    Conversation,
    User,
    Agent,
}

/// A check of what goes in, comes out, or is passed to a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guardrail {
    #[validate(length(min = 1, max = 128))]
    pub id: String,
    pub stage: GuardrailStage,
    pub action: GuardrailAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuardrailStage {
    Input,
    Output,
    Tool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuardrailAction {
    Block,
    Redact,
    Warn,
}

/// Another agent of the tenant that this one may hand work to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubAgent {
    #[schemars(with = "String")]
    pub id: AgentId,
    /// The alias that it resolves to; absent means `live`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 64))]
    pub alias: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseFormat {
    #[serde(rename = "type")]
    pub kind: ResponseKind,
    /// The JSON Schema of a `json_schema` response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseKind {
    Text,
    Json,
    JsonSchema,
}

/// Bounds of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunLimits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 1_000))]
    pub max_steps: Option<u32>,
    /// Seconds, up to a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 86_400))]
    pub timeout_s: Option<u32>,
    /// US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(exclusive_min = 0.0, max = 100_000.0))]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub budget_usd: Option<f64>,
}

impl Config {
    /// SHA-256 of the configuration's canonical JSON, in hexadecimal: equal configurations, and
    /// only they, have equal hashes.
    pub fn hash(&self) -> String {
        let canonical = serde_json::to_vec(self).expect("a configuration is always JSON");
        hexadecimal(&Sha256::digest(canonical))
    }

    /// The rules that span several members: names that must be unique.
    pub(super) fn repeated_names(&self) -> Vec<Violation> {
        let tools = self.tools.iter().map(|tool| Cow::from(&tool.tool_id));
        let servers = self.mcp_servers.iter().map(|server| Cow::from(&server.name));
        let knowledge = self.knowledge.iter().map(|knowledge| Cow::from(&knowledge.id));
        let sub_agents = self.sub_agents.iter().map(|agent| Cow::from(agent.id.as_str()));
        let mut violations = repeated("/config/tools", "tool_id", tools);
        violations.extend(repeated("/config/mcp_servers", "name", servers));
        violations.extend(repeated("/config/knowledge", "id", knowledge));
        violations.extend(repeated("/config/sub_agents", "id", sub_agents));
        violations
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The items of a list that repeat an earlier one's name, last first, so that the fixes apply in
/// the order in which they are listed.
fn repeated<'a>(list: &str, member: &str, names: impl Iterator<Item = Cow<'a, str>>) -> Vec<Violation> {
    // A list that is too long itself is told so; its items wait.
    const JUDGED_MAX: usize = 256;
    let names: Vec<_> = names.collect();
    if names.len() > JUDGED_MAX {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut violations: Vec<_> = names
        .into_iter()
        .enumerate()
        .filter_map(|(index, name)| (!seen.insert(name)).then_some(index))
        .map(|index| {
            Violation::new(format!("{list}/{index}/{member}"), "duplicate", "an earlier item has this name")
                .mended_by(remove(&format!("{list}/{index}")))
        })
        .collect();
    violations.reverse();
    violations
}

fn visible_ascii(text: &str) -> Result<(), ValidationError> {
    check(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'), "visible_ascii")
}

fn texts_of_1_to_64(texts: &[String]) -> Result<(), ValidationError> {
    check(texts.iter().all(|text| (1..=64).contains(&text.chars().count())), "item_length")
}

fn texts_of_1_to_128(texts: &[String]) -> Result<(), ValidationError> {
    check(texts.iter().all(|text| (1..=128).contains(&text.chars().count())), "item_length")
}

fn https_url(text: &str) -> Result<(), ValidationError> {
    let authority = text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
    let is_good = authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('@'))
        && text.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    check(is_good, "https_url")
}

fn secret_reference(text: &str) -> Result<(), ValidationError> {
    let is_arn = text.starts_with("arn:")
        && text.split(':').nth(2).is_some_and(|service| matches!(service, "secretsmanager" | "ssm"));
    let is_reference = text.strip_prefix("secret://").is_some_and(|name| !name.is_empty());
    check(is_arn || is_reference, "secret_reference")
}

fn check(holds: bool, code: &'static str) -> Result<(), ValidationError> {
    if holds { Ok(()) } else { Err(ValidationError::new(code)) }
}
