//! The public JSON of aliases.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Alias, Policy, Route};
use crate::id::AliasName;

/// An alias.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Alias")]
pub struct AliasView<'a> {
    #[schemars(with = "String")]
    pub name: &'a AliasName,
    /// By version.
    pub routes: &'a [Route],
    pub paused: bool,
    pub policy: &'a Policy,
}

impl<'a> AliasView<'a> {
    pub fn new(name: &'a AliasName, alias: &'a Alias) -> Self {
        Self { name, routes: &alias.routes, paused: alias.paused, policy: &alias.policy }
    }
}
