//! The public JSON of entitlements, their usage and previews of others.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use validator::Validate;

use super::Usage;
use super::reconcile::{Affected, Effect};
use crate::agent::broken;
use crate::error::{Error, Result};
use crate::id::AgentId;
use crate::json;
use crate::tenant::{Counted, Tenant};
use crate::tier::{LimitName, Limits, Overrides, Tiers};
use crate::violation::Violation;

/// The most agents that a preview is told to keep.
const KEEP_MAX: u64 = 1_000;
/// The most rows of a page of a preview, and as many as it has where nobody says.
const ROWS_MAX: u32 = 1_000;

/// A tenant's tier and what it leads to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EntitlementsDocument {
    pub tier: String,
    pub custom_models: bool,
    pub traffic_split: bool,
    pub approvals: bool,
    /// The limits in force; null means none.
    pub limits: BTreeMap<LimitName, Option<u64>>,
    /// Those of the limits that are the tenant's own, and not its tier's.
    pub overrides: Overrides,
}

impl EntitlementsDocument {
    pub fn new(limits: &Limits<'_>, overrides: Overrides) -> Self {
        let tier = limits.tier();
        Self {
            tier: tier.name.clone(),
            custom_models: tier.custom_models,
            traffic_split: tier.traffic_split,
            approvals: tier.approvals,
            limits: LimitName::ALL.into_iter().map(|name| (name, limits.get(name))).collect(),
            overrides,
        }
    }
}

/// How much of its limits a tenant uses.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "UsageDocument")]
pub struct UsageView {
    pub tier: String,
    /// Agents that are neither archived nor deleted.
    pub agents: Usage,
    pub private_templates: Usage,
}

impl UsageView {
    pub fn new(tenant: &Tenant, limits: &Limits<'_>) -> Self {
        Self {
            tier: limits.tier().name.clone(),
            agents: Usage::of(tenant, limits, Counted::Agents),
            private_templates: Usage::of(tenant, limits, Counted::Templates),
        }
    }
}

/// What events of a tenant's entitlements carry.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "EntitlementsEvent")]
pub struct EntitledView {
    /// Always `entitlements`.
    pub id: &'static str,
    pub rev: u64,
    pub tier: String,
    pub overrides: Overrides,
    pub usage: UsageView,
}

/// What a preview asks.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewDocument {
    /// The tier that the tenant would have.
    pub tier: String,
    /// The limits that it would have instead of the tier's; absent means none. Null lifts a limit.
    #[serde(default)]
    pub overrides: Overrides,
    /// Agents that should stay in use, most wanted first. After them, those stay that were changed last.
    #[serde(default)]
    #[validate(length(max = "KEEP_MAX"))]
    pub keep: Vec<AgentId>,
    /// The most rows of a page.
    #[serde(default = "rows_max")]
    #[validate(range(min = 1, max = "ROWS_MAX"))]
    pub limit: u32,
    /// `next_cursor` of the page before, of the same question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

fn rows_max() -> u32 {
    ROWS_MAX
}

impl PreviewDocument {
    /// # Errors
    /// [`Error::Invalid`], for a tier that does not exist, too.
    pub fn read(document: Value, tiers: &Tiers) -> Result<Self> {
        let asked: Self = json::read(document)?;
        let mut violations = broken(&asked);
        if !tiers.exists(&asked.tier) {
            violations.push(Violation::new("/tier", "unknown_tier", "there is no such tier"));
        }
        if violations.is_empty() { Ok(asked) } else { Err(Error::Invalid(violations)) }
    }
}

/// What another tier would do to a tenant.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EntitlementsPreview")]
pub struct PreviewView {
    /// The tier that was asked about.
    pub tier: String,
    /// What would be used of its limits.
    pub usage: UsageView,
    /// Agents in use now.
    pub active_before: u64,
    /// Agents in use then.
    pub active_after: u64,
    /// How many would be suspended.
    pub suspended: u64,
    /// How many would be used again that are suspended for want of room.
    pub lifted: u64,
    /// How many drafts could not be published until they fit.
    pub blocked: u64,
    /// Every agent whom something would be done about: those that would be suspended first.
    pub items: Vec<PreviewRow>,
    /// Null on the last page.
    pub next_cursor: Option<String>,
}

/// What would be done about one agent, and why.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EntitlementsPreviewRow")]
pub struct PreviewRow {
    pub id: String,
    pub name: String,
    /// What keeps resolving all the same.
    pub published_version: Option<u64>,
    pub effects: BTreeSet<Effect>,
    pub violations: Vec<Violation>,
}

impl From<Affected> for PreviewRow {
    fn from(affected: Affected) -> Self {
        let Affected { id, name, published_version, effects, violations } = affected;
        Self { id: id.to_string(), name, published_version, effects, violations }
    }
}
