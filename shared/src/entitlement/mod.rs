//! What a tenant is entitled to, explained: how much of it is used, when that is worth a warning, and what
//! another tier would do to its agents. It knows no store, HTTP or clock.

pub mod reconcile;
mod view;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use view::{EntitledView, EntitlementsDocument, PreviewDocument, PreviewRow, PreviewView, UsageView};

use crate::tenant::{Counted, Tenant};
use crate::tier::Limits;

/// From how many percent of a limit on a tenant is warned.
pub const WARNED_FROM_PERCENT: u64 = 80;

/// How near a limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Ok,
    /// 80 % or more is used.
    Warning,
    /// All of it is used, or more.
    Reached,
}

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Usage {
    pub used: u64,
    /// Null means no limit.
    pub limit: Option<u64>,
    /// Whole percent, rounded down; null without a limit.
    pub percent: Option<u64>,
    pub level: Level,
}

impl Usage {
    pub fn new(used: u64, limit: Option<u64>) -> Self {
        let percent = limit.map(|limit| match (used, limit) {
            (0, 0) => 0,
            (_, 0) => 100,
            (used, limit) => used.saturating_mul(100) / limit,
        });
        let level = match percent {
            Some(percent) if percent >= 100 => Level::Reached,
            Some(percent) if percent >= WARNED_FROM_PERCENT => Level::Warning,
            Some(_) | None => Level::Ok,
        };
        Self { used, limit, percent, level }
    }

    pub fn of(tenant: &Tenant, limits: &Limits<'_>, counted: Counted) -> Self {
        Self::new(tenant.used(counted), limits.get(counted.limit()))
    }
}

/// What came nearer to its limit by a change of the tenant's record that left the limits as they were.
pub fn crossed(before: &Tenant, after: &Tenant, limits: &Limits<'_>) -> Option<Counted> {
    let level = |tenant: &Tenant, counted| Usage::of(tenant, limits, counted).level;
    Counted::ALL.into_iter().find(|counted| level(after, *counted) > level(before, *counted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_begin_at_80_and_100_percent() {
        for (used, limit, percent, level) in [
            (0, Some(0), Some(0), Level::Ok),
            (1, Some(0), Some(100), Level::Reached),
            (3, Some(5), Some(60), Level::Ok),
            (4, Some(5), Some(80), Level::Warning),
            (79, Some(100), Some(79), Level::Ok),
            (99, Some(100), Some(99), Level::Warning),
            (5, Some(5), Some(100), Level::Reached),
            (7, Some(5), Some(140), Level::Reached),
            (9, None, None, Level::Ok),
        ] {
            assert_eq!(Usage::new(used, limit), Usage { used, limit, percent, level }, "{used} of {limit:?}");
        }
    }
}
