//! Aliases: names that lead to versions. `live` is what conversations get that ask for nothing else; others
//! are the tenant's. An alias may split its conversations over several versions, may be paused, and may
//! have a policy that refuses changes by their risk, or asks another user first. It knows no store, HTTP or
//! clock.

mod policy;
mod view;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use validator::Validate;

use super::config::SubAgent;
use super::{Agent, Content};
use crate::error::{Error, Result};
use crate::id::{AgentId, AliasName, digest};
use crate::json;
use crate::tier::{self, LimitName, Limits, Tiers};
use crate::violation::Violation;

pub use policy::{Policy, Verdict};
pub use view::AliasView;

/// All aliases of an agent, in bytes of JSON with the sub-agents that their versions use: what a head has
/// room for beside the largest content.
const ALIASES_MAX_BYTES: usize = 40 * 1024;
/// An alias's routes.
const ROUTES_MAX: u64 = 10;

/// An alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// By version.
    pub routes: Vec<Route>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
    /// The agents that its versions hand work to, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<SubAgent>,
}

/// A version with its share of an alias's conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    #[validate(range(min = 1, max = 999_999_999_999_u64))]
    pub version: u64,
    /// Its share, against the sum of all weights.
    #[validate(range(min = 1, max = 10_000))]
    pub weight: u32,
}

/// What is said of an alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasDocument {
    /// Each version once.
    #[validate(length(min = 1, max = "ROUTES_MAX"), nested)]
    pub routes: Vec<Route>,
    /// Whether it resolves to nothing for now.
    #[serde(default)]
    pub paused: bool,
    #[serde(default)]
    pub policy: Policy,
}

impl AliasDocument {
    /// Reads what is to become of an alias.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(document: Value) -> Result<Self> {
        let document: Self = json::read(document)?;
        let mut found = super::content::broken(&document);
        // Last first, so that the fixes apply in the order in which they are listed.
        for (index, route) in document.routes.iter().enumerate().rev() {
            if document.routes[..index].iter().any(|earlier| earlier.version == route.version) {
                let pointer = format!("/routes/{index}");
                let fix = json::remove(&pointer);
                let violation =
                    Violation::new(format!("{pointer}/version"), "duplicate", "is routed to twice");
                found.push(violation.mended_by(fix));
            }
        }
        if found.is_empty() { Ok(document) } else { Err(Error::Invalid(found)) }
    }
}

/// The route to the heaviest version; of equally heavy ones the newest.
pub fn heaviest(routes: &[Route]) -> Option<Route> {
    routes.iter().copied().max_by_key(|route| (route.weight, route.version))
}

/// The route that a conversation takes: always the same while the routes are, and when weights change only
/// as many conversations move as must. Each route's chance is its share of the weights (weighted rendezvous
/// hashing: the greatest of `weight / -ln(u)`, `u` a number between 0 and 1 made of agent, conversation and
/// version). Without a conversation it is the heaviest.
pub fn route_of(agent: &AgentId, routes: &[Route], conversation: Option<&str>) -> Option<Route> {
    let Some(conversation) = conversation else {
        return heaviest(routes);
    };
    let score = |route: &Route| {
        let hash = digest(&[agent.as_str(), conversation, &route.version.to_string()]);
        let bits = u64::from_be_bytes(std::array::from_fn(|index| hash[index])) >> 12;
        // Halfway between two of 2^52 steps, so that it is neither 0 nor 1.
        #[expect(clippy::cast_precision_loss, reason = "52 bits are a float's own")]
        let unit = (bits as f64 + 0.5) / 4_503_599_627_370_496.0;
        f64::from(route.weight) / -unit.ln()
    };
    routes.iter().copied().max_by(|one, other| score(one).total_cmp(&score(other)))
}

/// What becomes of an alias, before anyone has judged it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub name: AliasName,
    pub routes: Vec<Route>,
    pub paused: bool,
    pub policy: Policy,
}

impl Wanted {
    /// The alias as `document` has it.
    pub fn of(name: AliasName, document: AliasDocument) -> Self {
        let AliasDocument { mut routes, paused, policy } = document;
        routes.sort_by_key(|route| route.version);
        Self { name, routes, paused, policy }
    }

    /// The alias with all of its conversations on one version, and what else it has.
    pub fn only(agent: &Agent, name: AliasName, version: u64) -> Self {
        let routes = vec![Route { version, weight: 100 }];
        let known = agent.aliases.get(&name);
        let paused = known.is_some_and(|alias| alias.paused);
        let policy = known.map(|alias| alias.policy.clone()).unwrap_or_default();
        Self { name, routes, paused, policy }
    }

    /// Whether the agent's alias is so already.
    pub fn is_there(&self, agent: &Agent) -> bool {
        agent.aliases.get(&self.name).is_some_and(|alias| {
            alias.routes == self.routes && alias.paused == self.paused && alias.policy == self.policy
        })
    }

    /// The versions that the alias is to lead to.
    pub fn versions(&self) -> impl Iterator<Item = u64> {
        self.routes.iter().map(|route| route.version)
    }

    /// The alias, given what its versions hold.
    pub fn into_alias(self, contents: &BTreeMap<u64, Content>) -> Alias {
        let mut uses: Vec<SubAgent> = Vec::new();
        for sub_agent in self.versions().filter_map(|version| contents.get(&version)).flat_map(sub_agents) {
            if !uses.contains(sub_agent) {
                uses.push(sub_agent.clone());
            }
        }
        let Self { name: _, routes, paused, policy } = self;
        Alias { routes, paused, policy, uses }
    }

    /// What the tier does not admit of it: more aliases, a split, approvals. Pointers and fixes are into what
    /// was said, where `said` are the routes.
    pub fn violations(
        &self,
        tiers: &Tiers,
        limits: &Limits<'_>,
        agent: &Agent,
        said: &[Route],
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        let known = agent.aliases.get(&self.name);
        if known.is_none() {
            let wanted = agent.aliases.len() as u64 + 1;
            if let Some(limit) = limits.get(LimitName::AliasesPerAgent).filter(|limit| wanted > *limit) {
                let detail = "the tier admits fewer aliases of an agent";
                found.push(
                    Violation::new("", "aliases_limit", detail)
                        .exceeding(limit, wanted)
                        .admitted_by(tiers.lowest_admitting(LimitName::AliasesPerAgent, wanted)),
                );
            }
        }
        // What a tenant had before a downgrade stays as it is.
        let had_split = known.is_some_and(|alias| alias.routes == self.routes);
        if self.routes.len() > 1 && !limits.tier().traffic_split && !had_split {
            let heaviest = heaviest(&self.routes);
            let others = said.iter().enumerate().rev().filter(|(_, route)| Some(**route) != heaviest);
            let fix = others.flat_map(|(index, _)| json::remove(&format!("/routes/{index}"))).collect();
            let detail = "the tier does not split an alias's conversations over versions";
            found.push(
                Violation::new("/routes", "traffic_split", detail)
                    .exceeding(1, self.routes.len())
                    .admitted_by(tiers.lowest_with(|tier| tier.traffic_split))
                    .mended_by(fix),
            );
        }
        let had_approvals = known.is_some_and(|alias| alias.policy == self.policy);
        if !self.policy.approve.is_empty() && !limits.tier().approvals && !had_approvals {
            let detail = "the tier has no approvals";
            found.push(
                Violation::new("/policy/approve", "approvals", detail)
                    .exceeding(0, self.policy.approve.len())
                    .admitted_by(tiers.lowest_with(|tier: &tier::Tier| tier.approvals))
                    .mended_by(json::remove("/policy/approve")),
            );
        }
        found
    }
}

/// Refuses aliases of an agent that would not fit in its head beside its content.
///
/// # Errors
/// [`Error::Conflict`] above [`ALIASES_MAX_BYTES`].
pub fn refuse_oversized(aliases: &BTreeMap<AliasName, Alias>) -> Result<()> {
    let bytes = serde_json::to_vec(aliases).map_or(usize::MAX, |json| json.len());
    if bytes > ALIASES_MAX_BYTES {
        let detail = "The agent's aliases hold too much: lead them to fewer versions, or to versions with fewer \
                      sub-agents.";
        return Err(Error::Conflict(detail.to_owned()));
    }
    Ok(())
}

fn sub_agents(content: &Content) -> &[SubAgent] {
    &content.config.sub_agents
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const CONVERSATIONS: u32 = 100_000;

    fn routes(weights: &[(u64, u32)]) -> Vec<Route> {
        weights.iter().map(|(version, weight)| Route { version: *version, weight: *weight }).collect()
    }

    fn taken(agent: &AgentId, routes: &[Route]) -> Vec<u64> {
        let route = |index: u32| route_of(agent, routes, Some(&format!("conversation-{index}")));
        (0..CONVERSATIONS).map(|index| route(index).unwrap().version).collect()
    }

    #[test]
    fn shares_are_the_weights_within_one_percent_of_all_conversations() {
        let agent = AgentId::generate(Timestamp::UNIX_EPOCH);
        for weights in [
            vec![(3, 1)],
            vec![(3, 50), (9, 50)],
            vec![(3, 90), (9, 10)],
            vec![(1, 1), (2, 99)],
            vec![(1, 5), (2, 15), (3, 30), (4, 50)],
            (1..=10).map(|version| (version, 10_000)).collect(),
        ] {
            let routes = routes(&weights);
            let sum: u32 = weights.iter().map(|(_, weight)| weight).sum();
            let versions = taken(&agent, &routes);
            for (version, weight) in weights {
                let count = versions.iter().filter(|taken| **taken == version).count();
                let share = f64::from(u32::try_from(count).unwrap()) / f64::from(CONVERSATIONS);
                let expected = f64::from(weight) / f64::from(sum);
                assert!((share - expected).abs() < 0.01, "{version}: {share} instead of {expected}");
            }
            assert_eq!(taken(&agent, &routes), versions, "the same conversation takes the same route");
        }
    }

    #[test]
    fn a_raised_weight_moves_conversations_to_its_version_only() {
        let agent = AgentId::generate(Timestamp::UNIX_EPOCH);
        let before = taken(&agent, &routes(&[(3, 60), (5, 30), (9, 10)]));
        let after = taken(&agent, &routes(&[(3, 60), (5, 30), (9, 40)]));
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
        assert!(moved.clone().all(|(_, after)| *after == 9));
        // From a tenth of all to 40 of 130.
        let share = f64::from(u32::try_from(moved.count()).unwrap()) / f64::from(CONVERSATIONS);
        assert!((share - (40.0 / 130.0 - 0.1)).abs() < 0.01, "{share}");
        let less = taken(&agent, &routes(&[(3, 60), (5, 30)]));
        assert!(before.iter().zip(&less).all(|(before, less)| before == less || *before == 9));
    }

    #[test]
    fn another_agent_splits_the_same_conversations_otherwise() {
        let routes = routes(&[(1, 50), (2, 50)]);
        let one = taken(&AgentId::derived(&["one"]), &routes);
        let other = taken(&AgentId::derived(&["other"]), &routes);
        let same = one.iter().zip(&other).filter(|(one, other)| one == other).count();
        assert!((45_000..55_000).contains(&same), "{same}");
    }

    #[test]
    fn without_a_conversation_the_heaviest_is_taken() {
        let agent = AgentId::generate(Timestamp::UNIX_EPOCH);
        let taken = |weights: &[(u64, u32)]| route_of(&agent, &routes(weights), None).map(|one| one.version);
        assert_eq!(taken(&[(3, 90), (9, 10)]), Some(3));
        assert_eq!(taken(&[(3, 50), (9, 50)]), Some(9));
        assert_eq!(taken(&[]), None);
    }
}
