//! The live copy: what an agent's `live` alias leads to, in an item of its own, so that a conversation
//! begins with one small read. It is a projection of the head and its versions: whatever it says was true
//! of one `rev`, and never mixes two. It knows no store, HTTP or clock.

pub mod store;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alias::{Route, heaviest};
use super::config::Config;
use super::{Agent, Content, Status};
use crate::id::AliasName;

/// Why an alias resolves to nothing although there is a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    Paused,
    Suspended,
    Archived,
}

impl Hold {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Suspended => "suspended",
            Self::Archived => "archived",
        }
    }
}

/// What `live` leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Of the head that it was made from.
    pub rev: u64,
    pub hold: Option<Hold>,
    pub routes: Vec<Route>,
    /// The version of the heaviest route.
    pub version: u64,
    pub config: Config,
}

/// What keeps the agent's alias from resolving.
pub fn hold(agent: &Agent, paused: bool) -> Option<Hold> {
    match agent.status {
        Status::Suspended { .. } => Some(Hold::Suspended),
        Status::Archived(_) => Some(Hold::Archived),
        Status::Active => paused.then_some(Hold::Paused),
    }
}

impl Live {
    /// The live copy of an agent, given what its versions hold. None while nothing is published, or if the
    /// heaviest version is not among them.
    pub fn of(agent: &Agent, contents: &BTreeMap<u64, Content>) -> Option<Self> {
        let alias = agent.aliases.get(&AliasName::live())?;
        let version = heaviest(&alias.routes)?.version;
        let config = contents.get(&version)?.config.clone();
        let (routes, hold) = (alias.routes.clone(), hold(agent, alias.paused));
        Some(Self { rev: agent.rev, hold, routes, version, config })
    }
}

/// Whether a change of the head is one of the live copy, too.
pub fn differs(before: &Agent, after: &Agent) -> bool {
    let live = AliasName::live();
    let alias = |agent: &Agent| agent.aliases.get(&live).map(|alias| (alias.routes.clone(), alias.paused));
    alias(after).is_some() && (alias(before) != alias(after) || before.status.name() != after.status.name())
}

/// The version whose content the live copy needs.
pub fn needs(agent: &Agent) -> Option<u64> {
    let alias = agent.aliases.get(&AliasName::live())?;
    heaviest(&alias.routes).map(|route| route.version)
}
