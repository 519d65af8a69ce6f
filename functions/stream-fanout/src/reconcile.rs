//! The reconciler: a schedule that looks for heads whose last change has no audit row, and announces
//! them as `agent.resynced`. It looks at changes that are older than any record that the stream could
//! still bring, so that it never overtakes one.

use agent_management::agent::Summary;
use agent_management::agent::store::{self, Order};
use agent_management::error::{Error, Result};
use agent_management::event::store::audit;
use agent_management::event::{self, resynced};
use agent_management::id::{AgentId, TenantId};
use agent_management::tenant;
use jiff::Timestamp;
use serde::Serialize;

use crate::StreamFanout;

/// How old a change must be, in seconds: an hour past the mapping's greatest record age of 12 hours.
pub const SETTLED_AFTER_S: i64 = 13 * 3_600;
/// How old a change may be, in seconds: a schedule that missed three days has to be told.
const LOOKED_AT_FOR_S: i64 = 3 * 24 * 3_600;
/// Rows of a tenant's list that are read at once, which is as many as are asked for at once.
const PAGE: u32 = 100;

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Agents whose last change was looked at.
    pub agents: usize,
    /// Those that were announced.
    pub resynced: usize,
    /// Those that were told that their model retires.
    pub told: usize,
}

impl StreamFanout {
    /// Looks at every tenant once. A run that does not come to its end leaves off the shards that an
    /// earlier or later hour begins with.
    ///
    /// # Errors
    /// As the database's.
    pub async fn reconcile(&self) -> Result<Reconciled> {
        let mut done = Reconciled::default();
        for (step, shard) in tenant::shards_at(self.clock.now()).enumerate() {
            let mut after: Option<String> = None;
            loop {
                let page = tenant::store::list_shard(&self.base.store, shard, after.as_deref()).await?;
                for tenant in &page.items {
                    // One tenant's trouble is not the others'.
                    if let Err(error) = self.reconcile_tenant(tenant, &mut done).await {
                        tracing::error!(%error, cause = crate::cause(&error), "a tenant was not reconciled");
                    }
                    // A catalogue changes once in a while: each hour looks at one shard.
                    if step > 0 {
                        continue;
                    }
                    match self.tell_retiring(tenant).await {
                        Ok(told) => done.told += told,
                        Err(error) => {
                            tracing::error!(%error, cause = crate::cause(&error), "a tenant was not told");
                        }
                    }
                }
                after = page.next_cursor;
                if after.is_none() {
                    break;
                }
            }
        }
        if done.resynced > 0 {
            tracing::error!(resynced = done.resynced, "changes had gone unannounced");
        }
        Ok(done)
    }

    async fn reconcile_tenant(&self, tenant: &TenantId, done: &mut Reconciled) -> Result<()> {
        event::store::keep_last(&self.base.store, tenant, self.clock.now()).await?;
        let mut after: Option<String> = None;
        loop {
            let page =
                store::list(&self.base.store, tenant, Order::OldestFirst, after.as_deref(), PAGE).await?;
            let now = self.clock.now();
            let settled: Vec<(AgentId, u64)> =
                page.items.iter().filter_map(|row| settled(row, now)).collect();
            done.agents += settled.len();
            for (id, rev) in audit::missing(&self.base.store, tenant, &settled).await? {
                match self.resync(tenant, &id, rev).await {
                    Ok(is_resynced) => done.resynced += usize::from(is_resynced),
                    Err(error) => {
                        tracing::error!(%error, cause = crate::cause(&error), "an agent was not reconciled");
                    }
                }
            }
            after = page.next_cursor;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Announces an agent that is still at `rev`. A later change brings its own event.
    async fn resync(&self, tenant: &TenantId, id: &AgentId, rev: u64) -> Result<bool> {
        match store::get(&self.base.store, tenant, id).await {
            Ok(stored) if stored.agent.rev == rev => {
                self.repair_live(tenant, &stored.agent).await?;
                self.announce_missing(tenant, resynced(&stored.agent)).await?;
                Ok(true)
            }
            Ok(_) | Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The agent and its `rev`, if its last change is old enough to be looked at and not too old.
fn settled(row: &Summary, now: Timestamp) -> Option<(AgentId, u64)> {
    let updated_at: Timestamp = row.updated_at.parse().ok()?;
    let age_s = now.as_second() - updated_at.as_second();
    let is_looked_at = (SETTLED_AFTER_S..SETTLED_AFTER_S + LOOKED_AT_FOR_S).contains(&age_s);
    is_looked_at.then(|| Some((row.id.parse().ok()?, row.rev)))?
}
