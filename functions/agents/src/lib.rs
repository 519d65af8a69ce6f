//! The `agents` function: agents over REST, and the service's health. Its routes are in the route
//! table; `routes` has a file per verb.

mod change;
mod dependents;
mod insert;
mod publish;
mod repoint;
mod request;
mod routes;

use std::sync::{Arc, OnceLock};

use agent_management::clock::Clock;
use agent_management::dynamo::Store;
use agent_management::error::{Error, Result};
use agent_management::http;
use agent_management::http::cors::Cors;
use agent_management::http::routes::Function;
use agent_management::id::TenantId;
use agent_management::lambda::rest::Handler;
use agent_management::tenant::{self, Tenant};
use agent_management::tier::{self, Entitlements, Tiers};
use lambda_http::{Body, Request, Response};
use serde_json::Value;

use crate::routes::health::Readiness;

/// The function with what it depends on.
#[derive(Debug, Clone)]
pub struct Agents {
    store: Store,
    tiers: Arc<Tiers>,
    clock: Clock,
    cors: Cors,
    readiness: Arc<Readiness>,
    /// Made at the first request for it.
    openapi: Arc<OnceLock<Value>>,
}

impl Agents {
    pub fn new(store: Store, tiers: Arc<Tiers>, clock: Clock, cors: Cors) -> Self {
        Self { store, tiers, clock, cors, readiness: Arc::default(), openapi: Arc::default() }
    }

    /// How many agents the tenant has in use, and what it is entitled to, read consistently.
    async fn usage(&self, tenant: &TenantId) -> Result<(u64, Entitlements)> {
        let record = tenant::store::get(&self.store, tenant).await?;
        let (used, entitlements) =
            record.map_or((0, None), |record| (record.agents_used, record.entitlements));
        Ok((used, entitlements.unwrap_or_else(|| self.tiers.default_entitlements())))
    }

    /// What to judge by after the tenant's record refused a write that assumed `assumed`.
    ///
    /// # Errors
    /// [`Error::Entitlement`] if that is what the tenant has: then it has no room.
    fn entitlements_after(&self, tenant: Tenant, assumed: &Entitlements) -> Result<Entitlements> {
        let actual = tenant.entitlements.unwrap_or_else(|| self.tiers.default_entitlements());
        if actual.rev != assumed.rev {
            return Ok(actual);
        }
        let violation = tier::agents_violation(&self.tiers, &self.tiers.limits(assumed), tenant.agents_used);
        Err(Error::Entitlement(vec![violation]))
    }
}

impl Handler for Agents {
    async fn handle(&self, request: Request) -> Response<Body> {
        let now = self.clock.now();
        http::serve(Function::Agents, request, &self.cors, now, async |call| {
            routes::dispatch(self, &call).await
        })
        .await
    }
}
