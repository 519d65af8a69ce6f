//! What a tier does to a tenant's agents: who stays in use, who is suspended, who may be used again, and whose
//! draft can't be published until it fits. Nothing that is published stops resolving because of it before the
//! tier's grace is over. Pure: the preview and the reconciliation itself follow the same plan.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent::{Agent, Status};
use crate::id::AgentId;
use crate::tier::{self, LimitName, Limits, Needs, Tiers};
use crate::violation::Violation;

/// Why an agent is suspended that its tenant's tier has no room for.
pub const OVER_LIMIT: &str = "agents_limit";

/// Where an agent stands before a reconciliation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Active,
    /// For want of room.
    OverLimit,
    /// For another reason, which is not for a tier to lift.
    Suspended,
    Archived,
}

impl Standing {
    pub fn of(status: &Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Suspended { reason } if reason == OVER_LIMIT => Self::OverLimit,
            Status::Suspended { .. } => Self::Suspended,
            Status::Archived(_) => Self::Archived,
        }
    }
}

/// An agent, as far as a tier is concerned with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: AgentId,
    pub name: String,
    pub standing: Standing,
    /// When it was changed last, as RFC 3339: texts compare as the times do.
    pub updated_at: String,
    pub published_version: Option<u64>,
    pub needs: Needs,
}

impl Candidate {
    pub fn of(agent: &Agent) -> Self {
        Self {
            id: agent.id.clone(),
            name: agent.content.name.clone(),
            standing: Standing::of(&agent.status),
            updated_at: crate::clock::rfc3339(agent.updated.at),
            published_version: agent.published_version(),
            needs: Needs::of(&agent.content.config),
        }
    }
}

/// What a tier does to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is suspended: the tier has no room for it.
    Suspended,
    /// It was suspended for want of room, and there is room.
    Lifted,
    /// Its draft can't be published until it fits. What is published stays.
    Blocked,
}

/// What is done about one agent, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Affected {
    pub id: AgentId,
    pub name: String,
    pub published_version: Option<u64>,
    pub effects: BTreeSet<Effect>,
    /// Why, each without a fix.
    pub violations: Vec<Violation>,
}

/// What a tier does to a tenant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Agents in use before, and after.
    pub active_before: u64,
    pub active_after: u64,
    /// Everyone whom something is done about: those that are suspended first, then the rest, each in the order
    /// of their ids.
    pub affected: Vec<Affected>,
}

impl Plan {
    /// How many agents an effect is on.
    pub fn count(&self, effect: Effect) -> u64 {
        self.affected.iter().filter(|one| one.effects.contains(&effect)).count() as u64
    }
}

/// Plans what `limits` do to `agents`. Of those that are active, or only for want of room are not, as many
/// stay in use as there is room for: those that `keep` names, in its order, then those that were changed last;
/// of equal ones the lower id.
pub fn plan(tiers: &Tiers, limits: &Limits<'_>, agents: &[Candidate], keep: &[AgentId]) -> Plan {
    let mut places: BTreeMap<&AgentId, usize> = BTreeMap::new();
    for (id, place) in keep.iter().zip(0..) {
        places.entry(id).or_insert(place);
    }
    let mut usable: Vec<&Candidate> = agents
        .iter()
        .filter(|agent| matches!(agent.standing, Standing::Active | Standing::OverLimit))
        .collect();
    usable.sort_by(|one, other| {
        let place = |agent: &Candidate| places.get(&agent.id).copied().unwrap_or(usize::MAX);
        place(one)
            .cmp(&place(other))
            .then_with(|| other.updated_at.cmp(&one.updated_at))
            .then_with(|| one.id.cmp(&other.id))
    });
    let limit = limits.get(LimitName::Agents);
    let room = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let kept: BTreeSet<&AgentId> = usable.iter().take(room).map(|agent| &agent.id).collect();
    let no_room = || {
        let violation = Violation::new("", OVER_LIMIT, "the tier has no room for the agent");
        let wanted = usable.len() as u64;
        let violation = violation.admitted_by(tiers.lowest_admitting(LimitName::Agents, wanted));
        match limit {
            Some(limit) => violation.exceeding(limit, wanted),
            None => violation,
        }
    };
    let mut plan = Plan::default();
    for agent in agents {
        let is_kept = kept.contains(&agent.id);
        plan.active_before += u64::from(agent.standing == Standing::Active);
        plan.active_after += u64::from(is_kept);
        let mut effects = BTreeSet::new();
        let mut violations = Vec::new();
        match (agent.standing, is_kept) {
            (Standing::Active, false) => {
                effects.insert(Effect::Suspended);
                violations.push(no_room());
            }
            (Standing::OverLimit, true) => {
                effects.insert(Effect::Lifted);
            }
            (Standing::Active | Standing::OverLimit | Standing::Suspended | Standing::Archived, _) => {}
        }
        if agent.standing != Standing::Archived {
            let exceeded = tier::exceeded(tiers, limits, &agent.needs);
            if !exceeded.is_empty() {
                effects.insert(Effect::Blocked);
                violations.extend(exceeded);
            }
        }
        if !effects.is_empty() {
            let Candidate { id, name, published_version, .. } = agent.clone();
            plan.affected.push(Affected { id, name, published_version, effects, violations });
        }
    }
    plan.affected.sort_by(|one, other| {
        let is_suspended = |agent: &Affected| agent.effects.contains(&Effect::Suspended);
        is_suspended(other).cmp(&is_suspended(one)).then_with(|| one.id.cmp(&other.id))
    });
    plan
}

/// The status that a plan gives an agent, if it gives it another. What it says of an agent that has changed
/// since is not done: the next plan sees it as it is.
pub fn status_after(agent: &Agent, affected: &Affected) -> Option<Status> {
    match Standing::of(&agent.status) {
        Standing::Active if affected.effects.contains(&Effect::Suspended) => {
            Some(Status::Suspended { reason: OVER_LIMIT.to_owned() })
        }
        Standing::OverLimit if affected.effects.contains(&Effect::Lifted) => Some(Status::Active),
        Standing::Active | Standing::OverLimit | Standing::Suspended | Standing::Archived => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::{Entitlements, Overrides};

    #[test]
    fn who_is_named_twice_keeps_the_first_place() {
        let tiers = Tiers::embedded().unwrap();
        let overrides: Overrides = [(LimitName::Agents, Some(1))].into();
        let entitlements = Entitlements { tier: "enterprise".to_owned(), overrides, rev: 0 };
        let [one, other] = ["one", "other"].map(|name| Candidate {
            id: AgentId::derived(&[name]),
            name: name.to_owned(),
            standing: Standing::Active,
            updated_at: String::new(),
            published_version: None,
            needs: Needs { model: "openai/gpt-5-mini".to_owned(), ..Needs::default() },
        });
        for (keep, suspended) in [([&one, &other, &one], &other), ([&other, &one, &other], &one)] {
            let keep = keep.map(|agent| agent.id.clone());
            let plan = plan(&tiers, &tiers.limits(&entitlements), &[one.clone(), other.clone()], &keep);
            assert_eq!(plan.affected.len(), 1);
            assert_eq!(plan.affected[0].id, suspended.id);
        }
    }
}
