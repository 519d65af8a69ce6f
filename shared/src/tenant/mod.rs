//! Tenants: one record each, which counts what a quota bounds and states the entitlements.

pub mod store;

use jiff::Timestamp;

use crate::id::UserId;
use crate::tier::{Entitlements, LimitName, Limits};

/// Into how many shards the tenants are spread, which schedules walk.
pub const SHARDS: u8 = 16;

/// A tenant's record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tenant {
    /// Counts every change of the record, from 1; 0 of one that was never written.
    pub rev: u64,
    /// Agents that are neither archived nor deleted.
    pub agents_used: u64,
    /// Private templates that are not deleted.
    pub templates_used: u64,
    /// None where nobody has ever set them: the lowest tier's.
    pub entitlements: Option<Entitlements>,
    /// Who changed it last, and when; none of one that was never written.
    pub updated: Option<(Timestamp, UserId)>,
}

/// What a tenant's record counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Agents,
    Templates,
}

impl Counted {
    pub const ALL: [Self; 2] = [Self::Agents, Self::Templates];

    /// The limit that bounds it.
    pub fn limit(self) -> LimitName {
        match self {
            Self::Agents => LimitName::Agents,
            Self::Templates => LimitName::PrivateTemplates,
        }
    }
}

impl Tenant {
    pub fn used(&self, counted: Counted) -> u64 {
        match counted {
            Counted::Agents => self.agents_used,
            Counted::Templates => self.templates_used,
        }
    }
}

/// What a write that counts something in assumes of the tenant.
#[derive(Debug, Clone, Copy)]
pub struct Assumed<'a> {
    pub entitlements: &'a Entitlements,
    /// How much there may be of what is counted.
    pub max: Option<u64>,
}

impl<'a> Assumed<'a> {
    pub fn new(entitlements: &'a Entitlements, limits: &Limits<'_>, counted: Counted) -> Self {
        Self { entitlements, max: limits.get(counted.limit()) }
    }
}

/// Every shard once, in the order in which a schedule walks them: each hour begins with another one, so
/// that what a run has no time for is another run's first.
pub fn shards_at(now: Timestamp) -> impl Iterator<Item = u8> {
    let hour = now.as_second().div_euclid(3_600).rem_euclid(i64::from(SHARDS));
    let first = u8::try_from(hour).unwrap_or_default();
    (0..SHARDS).map(move |step| (first + step) % SHARDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_hour_begins_with_another_shard_and_walks_all() {
        let start: Timestamp = "2026-01-01T00:30:00Z".parse().unwrap();
        let mut first = BTreeSet::new();
        for hour in 0..i64::from(SHARDS) {
            let shards: Vec<u8> = shards_at(start + jiff::SignedDuration::from_hours(hour)).collect();
            assert_eq!(shards.iter().copied().collect::<BTreeSet<_>>(), (0..SHARDS).collect());
            first.insert(shards[0]);
        }
        assert_eq!(first, (0..SHARDS).collect());
        assert_eq!(shards_at(Timestamp::from_second(-1).unwrap()).count(), usize::from(SHARDS));
    }
}
