//! The catalogue of models: which exist, and the lowest tier that admits each.

use serde::{Deserialize, Serialize};

use super::{Limits, Tiers};

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
            .filter(|model| self.admits_model(limits, &model.provider, &model.id))
            .max_by_key(|model| (model.provider == provider, self.rank(&model.tier)))
    }

    fn model(&self, provider: &str, id: &str) -> Option<&CatalogueModel> {
        self.models().iter().find(|model| model.provider == provider && model.id == id)
    }
}
