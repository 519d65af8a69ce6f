//! What a conversation gets: a version's configuration, by an alias or by number.

use schemars::JsonSchema;
use serde::Serialize;

use super::alias::Route;
use super::config::Config;
use crate::id::{AgentId, AliasName};

/// What an alias or a version resolves to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Resolved")]
pub struct ResolvedView<'a> {
    pub agent_id: &'a str,
    /// Null where a version was asked for.
    pub alias: Option<&'a str>,
    pub version: u64,
    /// All routes of the alias.
    pub routes: &'a [Route],
    /// SHA-256 of the configuration, in hexadecimal: the ETag, too.
    pub config_hash: String,
    pub config: &'a Config,
}

/// A resolved configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    pub agent: AgentId,
    pub alias: Option<AliasName>,
    pub version: u64,
    pub routes: Vec<Route>,
    pub config: Config,
}

impl<'a> From<&'a Resolved> for ResolvedView<'a> {
    fn from(resolved: &'a Resolved) -> Self {
        Self {
            agent_id: resolved.agent.as_str(),
            alias: resolved.alias.as_ref().map(AliasName::as_str),
            version: resolved.version,
            routes: &resolved.routes,
            config_hash: resolved.config.hash(),
            config: &resolved.config,
        }
    }
}
