//! The documents of routes that are no feature's own: health, entitlements and verdicts.

use std::collections::BTreeMap;

use json_patch::PatchOperation;
use schemars::JsonSchema;
use serde::Serialize;

use crate::agent::risk::{Risk, RiskClass};
use crate::tier::{LimitName, Overrides};
use crate::violation::{PatchStep, Violation};

/// Whether something answers: `ok`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HealthDocument {
    pub status: &'static str,
}

/// The body of an action that needs none: `{}`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NothingSaid {}

/// A list that is always whole.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct Items<T> {
    pub items: Vec<T>,
    /// Always null.
    pub next_cursor: Option<String>,
}

impl<T> Items<T> {
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }
}

/// Any JSON: what may be wrong is what is asked.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Anything(serde_json::Value);

/// Everything that is wrong.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Verdict {
    pub valid: bool,
    pub violations: Vec<Violation>,
}

/// What differs between two contents of an agent.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DiffDocument {
    /// `draft`, or a version.
    pub from: String,
    pub to: String,
    /// A JSON Patch (RFC 6902) that makes the content of `from` that of `to`.
    #[schemars(with = "Vec<PatchStep>")]
    pub patch: Vec<PatchOperation>,
    pub risks: Vec<RiskNote>,
}

/// A risk of a change, with its rule.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RiskNote {
    pub class: RiskClass,
    /// A JSON Pointer (RFC 6901) into the content: where it was for what is gone, where it is else.
    pub pointer: String,
    /// Whether a reviewer should look twice.
    pub elevated: bool,
    /// Which changes are of the class.
    pub rule: &'static str,
}

impl From<Risk> for RiskNote {
    fn from(risk: Risk) -> Self {
        let Risk { class, pointer } = risk;
        Self { class, pointer, elevated: class.is_elevated(), rule: class.rule() }
    }
}

/// A model of the catalogue, as a tenant sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OfferedModel {
    pub provider: String,
    pub id: String,
    /// The lowest tier that admits it.
    pub tier: String,
    /// The model's context window, in tokens.
    pub context_tokens: u64,
    /// Whether the caller's tier admits it.
    pub admitted: bool,
}

/// A tenant's tier and what it leads to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EntitlementsDocument {
    pub tier: String,
    pub custom_models: bool,
    pub traffic_split: bool,
    pub approvals: bool,
    /// The limits in force; null means none.
    pub limits: BTreeMap<LimitName, Option<u64>>,
    pub overrides: Overrides,
}

/// How much of its limits a tenant uses.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsageDocument {
    pub tier: String,
    pub agents: Usage,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Usage {
    pub used: u64,
    /// Null means no limit.
    pub limit: Option<u64>,
    /// Whole percent, rounded down; null without a limit.
    pub percent: Option<u64>,
}
