//! What is done to agents, whichever function it is asked of: read, decide, write if it is still as it was
//! read, and bring along what follows. A file for each use case; what they decide by is in the features, and
//! what they write in the features' stores.

pub mod change;
pub mod delete;
pub mod dependents;
pub mod insert;
pub mod instantiate;
pub mod library;
pub mod publish;
pub mod repoint;
pub mod restore;
pub mod template;

use std::sync::Arc;

use crate::dynamo::Store;
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::tenant::{self, Assumed, Counted, Tenant};
use crate::tier::{self, Entitlements, Tiers};

/// What every use case reads and judges by: the table and the tiers.
#[derive(Debug, Clone)]
pub struct Base {
    pub store: Store,
    pub tiers: Arc<Tiers>,
}

impl Base {
    pub fn new(store: Store, tiers: Arc<Tiers>) -> Self {
        Self { store, tiers }
    }

    /// The tenant's record, read consistently; what one that was never written says.
    ///
    /// # Errors
    /// As the database's.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<(Tenant, Entitlements)> {
        let record = tenant::store::get(&self.store, tenant).await?.unwrap_or_default();
        let entitlements = self.entitlements(&record);
        Ok((record, entitlements))
    }

    /// What a tenant with this record is entitled to.
    pub fn entitlements(&self, record: &Tenant) -> Entitlements {
        record.entitlements.clone().unwrap_or_else(|| self.tiers.default_entitlements())
    }

    /// What a write that counts something in assumes of a tenant that is entitled to this.
    pub fn assumed<'a>(&self, entitlements: &'a Entitlements, counted: Counted) -> Assumed<'a> {
        Assumed::new(entitlements, &self.tiers.limits(entitlements), counted)
    }

    /// What to judge by after the tenant's record refused a write that assumed `assumed` and counted one
    /// more in.
    ///
    /// # Errors
    /// [`Error::Entitlement`] if that is what the tenant has: then it has no room.
    pub fn entitlements_after(
        &self,
        tenant: &Tenant,
        assumed: &Entitlements,
        counted: Counted,
    ) -> Result<Entitlements> {
        let actual = self.entitlements(tenant);
        if actual.rev != assumed.rev {
            return Ok(actual);
        }
        let limits = self.tiers.limits(assumed);
        let used = tenant.used(counted);
        let violation = tier::count_violation(&self.tiers, &limits, counted.limit(), used);
        Err(Error::Entitlement(vec![violation]))
    }
}
