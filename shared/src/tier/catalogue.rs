//! The catalogue of models: which exist, and the lowest tier that admits each.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Limits, Tiers};
use crate::agent::config::ModelRef;

/// A model that the platform offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueModel {
    pub provider: String,
    pub id: String,
    /// The lowest tier that admits it.
    pub tier: String,
    /// The model's context window, in tokens.
    pub context_tokens: u64,
    /// The last day on which its provider serves it, if that is announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_on: Option<Date>,
    /// What to use instead; each model that retires has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<ModelRef>,
}

/// That a model retires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ModelRetirement")]
pub struct Retirement {
    /// The last day on which its provider serves it: `YYYY-MM-DD`.
    #[schemars(with = "String")]
    pub retires_on: Date,
    /// What to use instead.
    pub fallback: ModelRef,
}

impl Tiers {
    /// Whether `limits` admit the model. One outside the catalogue is a custom model.
    pub fn admits_model(&self, limits: &Limits<'_>, provider: &str, id: &str) -> bool {
        match self.model(provider, id) {
            Some(model) => self.rank(&model.tier) <= self.rank(&limits.tier().name),
            None => limits.tier().custom_models,
        }
    }

    /// The lowest tier that admits the model.
    pub(super) fn lowest_admitting_model(&self, provider: &str, id: &str) -> Option<&str> {
        match self.model(provider, id) {
            Some(model) => Some(&model.tier),
            None => self.all().iter().find(|tier| tier.custom_models).map(|tier| tier.name.as_str()),
        }
    }

    /// The model to offer instead: the highest that `limits` admit, of the same provider if it has
    /// one. The lowest tier admits at least one model, so there always is one.
    pub(super) fn substitute(&self, limits: &Limits<'_>, provider: &str) -> Option<&CatalogueModel> {
        self.models()
            .iter()
            .filter(|model| {
                model.retires_on.is_none() && self.admits_model(limits, &model.provider, &model.id)
            })
            .max_by_key(|model| (model.provider == provider, self.rank(&model.tier)))
    }

    /// That the model retires, if it does.
    pub fn retirement(&self, provider: &str, id: &str) -> Option<Retirement> {
        let model = self.model(provider, id)?;
        Some(Retirement { retires_on: model.retires_on?, fallback: model.fallback.clone()? })
    }

    /// Whether what is to be used instead of a model that retires is a model that stays, of no higher tier.
    pub(super) fn has_good_fallback(&self, model: &CatalogueModel) -> bool {
        let Some(named) = &model.fallback else {
            return model.retires_on.is_none();
        };
        let fallback = self.model(&named.provider, &named.id);
        fallback.is_some_and(|fallback| {
            fallback.retires_on.is_none() && self.rank(&fallback.tier) <= self.rank(&model.tier)
        })
    }

    fn model(&self, provider: &str, id: &str) -> Option<&CatalogueModel> {
        self.models().iter().find(|model| model.provider == provider && model.id == id)
    }
}
