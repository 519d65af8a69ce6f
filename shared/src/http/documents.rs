//! The documents of routes that are no feature's own: health, entitlements and verdicts.

use json_patch::PatchOperation;
use schemars::JsonSchema;
use serde::Serialize;

use crate::agent::config::ModelRef;
use crate::agent::risk::{Risk, RiskClass};
use crate::tier::CatalogueModel;
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
    /// The last day on which its provider serves it (`YYYY-MM-DD`); null while none is announced.
    pub retires_on: Option<String>,
    /// What to use instead of a model that retires.
    pub fallback: Option<ModelRef>,
    /// Whether the caller's tier admits it.
    pub admitted: bool,
}

impl OfferedModel {
    pub fn new(model: CatalogueModel, admitted: bool) -> Self {
        let CatalogueModel { provider, id, tier, context_tokens, retires_on, fallback } = model;
        let retires_on = retires_on.map(|day| day.to_string());
        Self { provider, id, tier, context_tokens, retires_on, fallback, admitted }
    }
}
