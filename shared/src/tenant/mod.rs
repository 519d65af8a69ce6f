//! Tenants: one record each, which counts what a quota bounds and states the entitlements.

pub mod store;

use jiff::Timestamp;

use crate::tier::Entitlements;

/// Into how many shards the tenants are spread, which schedules walk.
pub const SHARDS: u8 = 16;

/// A tenant's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Agents that are neither archived nor deleted.
    pub agents_used: u64,
    /// None where nobody has ever set them: the lowest tier's.
    pub entitlements: Option<Entitlements>,
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
