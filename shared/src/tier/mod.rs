//! Tiers: what a plan admits. A data file states them, and this module reads it, refuses a bad one
//! at start, and answers what a tenant's limits are. It knows neither tenants' records nor routes.

mod catalogue;
mod check;
mod needs;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use catalogue::{CatalogueModel, Retirement};
pub use check::{count_violation, exceeded, violations};
pub use needs::Needs;

const TIERS: &str = include_str!("../../../infra/seeds/tiers.json");
const MODELS: &str = include_str!("../../../infra/seeds/models.json");

/// The limits that a tier sets, by the name that the tier file and overrides use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitName {
    Agents,
    ToolsPerAgent,
    McpServersPerAgent,
    /// UTF-8 bytes of an agent's instructions.
    InstructionsBytes,
    VersionsKept,
    AliasesPerAgent,
    PrivateTemplates,
    Webhooks,
    Sockets,
    JobItems,
    RequestsPerMinute,
    EventReplayHours,
}

impl LimitName {
    pub const ALL: [Self; 12] = [
        Self::Agents,
        Self::ToolsPerAgent,
        Self::McpServersPerAgent,
        Self::InstructionsBytes,
        Self::VersionsKept,
        Self::AliasesPerAgent,
        Self::PrivateTemplates,
        Self::Webhooks,
        Self::Sockets,
        Self::JobItems,
        Self::RequestsPerMinute,
        Self::EventReplayHours,
    ];
}

/// Limits that one tenant has instead of its tier's. Null lifts the limit.
pub type Overrides = BTreeMap<LimitName, Option<u64>>;

/// What a tenant is entitled to: its tier, the limits that differ from it, and a number that
/// grows with every change, so that a write can state which entitlements it assumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlements {
    pub tier: String,
    pub overrides: Overrides,
    /// 0 where nobody has ever set the tenant's entitlements.
    pub rev: u64,
}

/// One tier of the file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    pub name: String,
    /// Whether models outside the catalogue are admitted.
    pub custom_models: bool,
    pub traffic_split: bool,
    pub approvals: bool,
    pub limits: BTreeMap<LimitName, u64>,
}

/// The limits in force for one tenant.
#[derive(Debug, Clone)]
pub struct Limits<'tiers> {
    tier: &'tiers Tier,
    overrides: Overrides,
}

impl Limits<'_> {
    /// The bound, or none where an override lifts it.
    pub fn get(&self, name: LimitName) -> Option<u64> {
        match self.overrides.get(&name) {
            Some(overridden) => *overridden,
            None => self.tier.limits.get(&name).copied(),
        }
    }

    pub fn admits(&self, name: LimitName, amount: u64) -> bool {
        self.get(name).is_none_or(|limit| amount <= limit)
    }

    pub fn tier(&self) -> &Tier {
        self.tier
    }
}

/// Every tier, lowest first, and the catalogue of models.
#[derive(Debug)]
pub struct Tiers {
    tiers: Vec<Tier>,
    models: Vec<CatalogueModel>,
}

/// The tier file or the model catalogue can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadTiers {
    #[error("not the expected JSON")]
    Json(#[from] serde_json::Error),
    #[error("no tier is named")]
    Empty,
    #[error("tier {0} is named twice")]
    Repeated(String),
    #[error("tier {tier} does not state {limit:?}")]
    Incomplete { tier: String, limit: LimitName },
    #[error("tier {tier} admits less of {limit:?} than the tier below it")]
    Shrinking { tier: String, limit: LimitName },
    #[error("model {provider}/{id} names tier {tier}, which does not exist")]
    UnknownTier { provider: String, id: String, tier: String },
    #[error("the lowest tier admits no model of the catalogue that stays")]
    NoModel,
    #[error(
        "model {0}/{1} retires, and its fallback is none: it has to be a model that stays, of no higher tier"
    )]
    NoFallback(String, String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierFile {
    tiers: Vec<Tier>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    models: Vec<CatalogueModel>,
}

impl Tiers {
    /// The tiers and models that are built in.
    ///
    /// # Errors
    /// As [`Tiers::parse`].
    pub fn embedded() -> Result<Self, BadTiers> {
        Self::parse(TIERS, MODELS)
    }

    /// Reads a tier file and a model catalogue.
    ///
    /// # Errors
    /// [`BadTiers`] unless every tier states every limit, a higher tier admits no less than a
    /// lower one, and every model's tier exists.
    pub fn parse(tiers: &str, models: &str) -> Result<Self, BadTiers> {
        let TierFile { tiers } = serde_json::from_str(tiers)?;
        let ModelFile { models } = serde_json::from_str(models)?;
        let this = Self { tiers, models };
        this.check()?;
        Ok(this)
    }

    fn check(&self) -> Result<(), BadTiers> {
        let lowest = self.tiers.first().ok_or(BadTiers::Empty)?;
        for (index, tier) in self.tiers.iter().enumerate() {
            if self.tiers[..index].iter().any(|earlier| earlier.name == tier.name) {
                return Err(BadTiers::Repeated(tier.name.clone()));
            }
            for limit in LimitName::ALL {
                let tier_name = || tier.name.clone();
                let amount = tier
                    .limits
                    .get(&limit)
                    .ok_or_else(|| BadTiers::Incomplete { tier: tier_name(), limit })?;
                let below = index.checked_sub(1).and_then(|below| self.tiers[below].limits.get(&limit));
                if below.is_some_and(|below| below > amount) {
                    return Err(BadTiers::Shrinking { tier: tier_name(), limit });
                }
            }
        }
        for model in &self.models {
            if self.rank(&model.tier).is_none() {
                let CatalogueModel { provider, id, tier, .. } = model.clone();
                return Err(BadTiers::UnknownTier { provider, id, tier });
            }
        }
        if !self.models.iter().any(|model| model.tier == lowest.name && model.retires_on.is_none()) {
            return Err(BadTiers::NoModel);
        }
        let bad = self.models.iter().find(|model| !self.has_good_fallback(model));
        if let Some(model) = bad {
            return Err(BadTiers::NoFallback(model.provider.clone(), model.id.clone()));
        }
        Ok(())
    }

    /// Every tier, lowest first.
    pub fn all(&self) -> &[Tier] {
        &self.tiers
    }

    pub fn models(&self) -> &[CatalogueModel] {
        &self.models
    }

    /// The tier of a tenant that nobody has entitled to more: the lowest.
    pub fn lowest(&self) -> &Tier {
        &self.tiers[0]
    }

    /// What a tenant without a record is entitled to.
    pub fn default_entitlements(&self) -> Entitlements {
        Entitlements { tier: self.lowest().name.clone(), overrides: Overrides::new(), rev: 0 }
    }

    pub fn exists(&self, tier: &str) -> bool {
        self.rank(tier).is_some()
    }

    /// The limits that `entitlements` lead to. A tier that the file no longer names counts as the
    /// lowest: a tenant never gains by it.
    pub fn limits(&self, entitlements: &Entitlements) -> Limits<'_> {
        let rank = self.rank(&entitlements.tier).unwrap_or(0);
        Limits { tier: &self.tiers[rank], overrides: entitlements.overrides.clone() }
    }

    /// The lowest tier that admits `amount`, if one does.
    pub fn lowest_admitting(&self, limit: LimitName, amount: u64) -> Option<&str> {
        let admits = |tier: &&Tier| tier.limits.get(&limit).is_some_and(|bound| amount <= *bound);
        self.tiers.iter().find(admits).map(|tier| tier.name.as_str())
    }

    /// The lowest tier that has something, if one does.
    pub fn lowest_with(&self, has: impl Fn(&Tier) -> bool) -> Option<&str> {
        self.tiers.iter().find(|tier| has(tier)).map(|tier| tier.name.as_str())
    }

    /// A tier's place in the order, 0 the lowest.
    fn rank(&self, tier: &str) -> Option<usize> {
        self.tiers.iter().position(|candidate| candidate.name == tier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_is_good() {
        let tiers = Tiers::embedded().unwrap();
        assert_eq!(tiers.lowest().name, "free");
        assert_eq!(tiers.lowest_admitting(LimitName::Agents, 6), Some("pro"));
        assert_eq!(tiers.lowest_admitting(LimitName::Agents, 10_001), None);
    }

    #[test]
    fn a_bad_file_is_refused() {
        let with = |edit: fn(&mut serde_json::Value)| {
            let mut file = serde_json::from_str(TIERS).unwrap();
            edit(&mut file);
            Tiers::parse(&file.to_string(), MODELS)
        };
        assert!(matches!(with(|file| file["tiers"] = serde_json::json!([])), Err(BadTiers::Empty)));
        assert!(matches!(with(|file| file["tiers"][1]["name"] = "free".into()), Err(BadTiers::Repeated(_))));
        assert!(matches!(
            with(|file| file["tiers"][1]["limits"]["agents"] = 1.into()),
            Err(BadTiers::Shrinking { .. })
        ));
        assert!(matches!(with(|file| file["tiers"][1]["unknown"] = 1.into()), Err(BadTiers::Json(_))));
        assert!(matches!(
            with(|file| file["tiers"][2]["name"] = "gold".into()),
            Err(BadTiers::UnknownTier { .. })
        ));
        assert!(matches!(
            with(|file| {
                file["tiers"][0]["limits"].as_object_mut().unwrap().remove("sockets");
            }),
            Err(BadTiers::Incomplete { .. })
        ));
    }

    #[test]
    fn an_override_replaces_or_lifts_a_limit() {
        let tiers = Tiers::embedded().unwrap();
        let mut entitlements = tiers.default_entitlements();
        entitlements.overrides.insert(LimitName::Agents, Some(7));
        entitlements.overrides.insert(LimitName::RequestsPerMinute, None);
        let limits = tiers.limits(&entitlements);
        assert_eq!(limits.get(LimitName::Agents), Some(7));
        assert_eq!(limits.get(LimitName::RequestsPerMinute), None);
        assert_eq!(limits.get(LimitName::ToolsPerAgent), Some(5));
    }
}
