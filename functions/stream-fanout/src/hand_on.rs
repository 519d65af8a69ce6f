//! Events to the webhook queue: one message for each endpoint that wants one. The delivery is someone
//! else's work, so that a slow endpoint holds up nobody here.

use std::time::Duration;

use agent_management::error::{Error, Result};
use agent_management::event::body;
use agent_management::id::TenantId;
use agent_management::webhook::{Delivery, Endpoint, store};
use jiff::Timestamp;
use serde_json::value::{RawValue, to_raw_value};

use crate::StreamFanout;
use crate::push::Announced;

/// How long a tenant's endpoints are remembered: a new one may wait so long for its first event.
pub const ENDPOINTS_AGE_MAX: Duration = Duration::from_secs(30);

impl StreamFanout {
    /// Sends what the tenant's endpoints want.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the queue does not take it.
    pub(crate) async fn hand_on(
        &self,
        tenant: &TenantId,
        announced: &[Announced<'_>],
        now: Timestamp,
    ) -> Result<()> {
        let endpoints = self.endpoints(tenant, now).await?;
        if endpoints.is_empty() {
            return Ok(());
        }
        let bodies: Vec<Box<RawValue>> = announced
            .iter()
            .map(|one| to_raw_value(&body(tenant, one.seq, one.change)))
            .collect::<Result<_, _>>()
            .map_err(|_| Error::internal("an event has no form as JSON"))?;
        let mut deliveries = Vec::new();
        for (one, event) in announced.iter().zip(&bodies) {
            let wanting = endpoints.iter().filter(|endpoint| endpoint.wants(&one.change.event));
            deliveries.extend(wanting.map(|endpoint| Delivery { tenant, endpoint: &endpoint.id, event }));
        }
        self.queues.webhooks.send_all(&deliveries).await
    }

    async fn endpoints(&self, tenant: &TenantId, now: Timestamp) -> Result<Vec<Endpoint>> {
        if let Some(known) = self.memory.endpoints(tenant, now) {
            return Ok(known);
        }
        let endpoints = store::list(&self.base.store, tenant).await?;
        self.memory.keep_endpoints(tenant, endpoints.clone(), now);
        Ok(endpoints)
    }
}
