//! Tenants: one record each, which counts what a quota bounds and states the entitlements.

pub mod store;

use crate::tier::Entitlements;

/// A tenant's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Agents that are neither archived nor deleted.
    pub agents_used: u64,
    /// None where nobody has ever set them: the lowest tier's.
    pub entitlements: Option<Entitlements>,
}
