//! What requests about templates say, and what a rendering answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use validator::Validate;

use super::render::Rendering;
use crate::agent::{Content, broken};
use crate::error::{Error, Result};
use crate::id::{AgentKey, TemplateId};
use crate::json;
use crate::violation::Violation;

/// What a rendering is asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenderDocument {
    /// The version to render; absent means the last one, or the draft while there is none.
    #[serde(default)]
    pub version: Option<u64>,
    /// Whether to render the draft. Not together with `version`.
    #[serde(default)]
    pub draft: bool,
    /// Values of the variables; those that are left out are their defaults.
    #[serde(default)]
    pub variables: Map<String, Value>,
}

impl RenderDocument {
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(document: Value) -> Result<Self> {
        let said: Self = json::read(document)?;
        if said.draft && said.version.is_some() {
            let violation = Violation::new("/draft", "conflicting", "not together with version");
            return Err(Error::Invalid(vec![violation]));
        }
        Ok(said)
    }
}

/// What an instantiation says.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstantiateDocument {
    /// The version to make the agent from; absent means the last one.
    #[serde(default)]
    pub version: Option<u64>,
    /// Values of the variables; those that are left out are their defaults, and follow the template's later
    /// ones.
    #[serde(default)]
    pub variables: Map<String, Value>,
    /// The agent's name, instead of the template's.
    #[serde(default)]
    #[validate(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// The agent's own key: unique in the tenant and immutable.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
    pub key: Option<String>,
}

impl InstantiateDocument {
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(document: Value) -> Result<(Self, Option<AgentKey>)> {
        let said: Self = json::read(document)?;
        let mut violations = broken(&said);
        if said.name.as_ref().is_some_and(|name| !name.is_empty() && name.trim().is_empty()) {
            violations.push(Violation::new("/name", "blank", "must not be only spaces"));
        }
        let key: Option<Result<AgentKey, _>> = said.key.as_deref().map(str::parse);
        if let Some(Err(_)) = key {
            violations.push(crate::agent::bad_key());
        }
        if violations.is_empty() {
            Ok((said, key.and_then(Result::ok)))
        } else {
            Err(Error::Invalid(violations))
        }
    }
}

/// What a template renders to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Rendering")]
pub struct RenderingView<'a> {
    pub template_id: &'a TemplateId,
    /// Null of the draft.
    pub version: Option<u64>,
    /// Whether an agent can be made of it by the tenant's tier.
    pub valid: bool,
    /// The agent's document; null while a value is missing or wrong.
    pub agent: Option<&'a Content>,
    /// Every value in use, defaults included.
    pub variables: &'a Map<String, Value>,
    /// Variables without a default that were not given.
    pub unresolved: &'a [String],
    /// Variables that the document has no place for.
    pub unused: &'a [String],
    /// What is wrong: pointers begin with `/variables` for what was sent, and with `/agent` for what it renders to.
    pub violations: Vec<Violation>,
}

impl<'a> RenderingView<'a> {
    /// `excess` is what of the agent exceeds the tier.
    pub fn new(
        template_id: &'a TemplateId,
        version: Option<u64>,
        rendering: &'a Rendering,
        excess: Vec<Violation>,
    ) -> Self {
        let excess = excess.into_iter().map(super::render::within_agent);
        let violations: Vec<Violation> = rendering.violations.iter().cloned().chain(excess).collect();
        Self {
            template_id,
            version,
            valid: rendering.agent.is_some() && violations.is_empty(),
            agent: rendering.agent.as_ref(),
            variables: &rendering.variables,
            unresolved: &rendering.unresolved,
            unused: &rendering.unused,
            violations,
        }
    }
}
