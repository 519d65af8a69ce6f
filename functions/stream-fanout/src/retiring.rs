//! A schedule tells agents that their model retires: the catalogue comes with a deployment, and nobody may
//! ever write to such an agent again. What is told is a change of the head like any other, so its event comes
//! from the stream.

use agent_management::agent::store::{self, Operation, Stored, Written};
use agent_management::agent::{Agent, Stamp};
use agent_management::error::{Error, Result};
use agent_management::id::TenantId;
use agent_management::search;
use agent_management::usecase::change::told;

use crate::StreamFanout;

/// Agents that are looked at at once.
const PAGE: usize = 100;
/// Who tells them.
const ACTOR: &str = "service";

impl StreamFanout {
    /// Tells every agent of the tenant whose model retires and that has not been told. How many were. One
    /// that is changed at the same time is told by that change.
    ///
    /// # Errors
    /// As the database's.
    pub(crate) async fn tell_retiring(&self, tenant: &TenantId) -> Result<usize> {
        let mut count = 0;
        for model in self.base.tiers.models().iter().filter(|model| model.retires_on.is_some()) {
            let name = format!("{}/{}", model.provider, model.id);
            let mut after: Option<String> = None;
            loop {
                let page = search::store::with_model(&self.base.store, tenant, &name, after.as_deref(), PAGE)
                    .await?;
                for stored in store::get_many(&self.base.store, tenant, &page.items).await? {
                    match self.tell(tenant, &stored).await {
                        Ok(is_told) => count += usize::from(is_told),
                        Err(error) => {
                            tracing::error!(%error, cause = crate::cause(&error), "an agent was not told");
                        }
                    }
                }
                after = page.next_cursor;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// An archived agent stays as it is: it is told when it is restored.
    async fn tell(&self, tenant: &TenantId, stored: &Stored) -> Result<bool> {
        let known = stored.agent.retiring.clone();
        let now = told(&self.base, stored.agent.clone());
        if now.retiring == known || !now.status.is_counted() {
            return Ok(false);
        }
        let by = ACTOR.parse().map_err(|_| Error::internal("the service has no name"))?;
        let updated = Stamp { at: self.clock.now(), by };
        let after = Agent { rev: now.rev + 1, updated, ..now };
        let entitlements = self.base.tiers.default_entitlements();
        let assumed = store::Assumed { entitlements: &entitlements, max: None };
        let written =
            store::update(&self.base.store, tenant, stored, &after, Operation::begin(), assumed).await?;
        Ok(matches!(written, Written::Done | Written::Landed(_)))
    }
}
