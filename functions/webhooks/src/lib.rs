//! The `webhooks` function: the event log and the audit of agents over REST, and tickets to open
//! sockets with. `routes` has a file per resource.

mod request;
mod routes;

use std::sync::Arc;

use agent_management::clock::Clock;
use agent_management::dynamo::Store;
use agent_management::http;
use agent_management::http::cors::Cors;
use agent_management::http::routes::Function;
use agent_management::lambda::rest::Handler;
use agent_management::tier::Tiers;
use lambda_http::{Body, Request, Response};

/// The function with what it depends on.
#[derive(Debug, Clone)]
pub struct Webhooks {
    store: Store,
    tiers: Arc<Tiers>,
    clock: Clock,
    cors: Cors,
}

impl Webhooks {
    pub fn new(store: Store, tiers: Arc<Tiers>, clock: Clock, cors: Cors) -> Self {
        Self { store, tiers, clock, cors }
    }
}

impl Handler for Webhooks {
    async fn handle(&self, request: Request) -> Response<Body> {
        let now = self.clock.now();
        http::serve(Function::Webhooks, request, &self.cors, now, async |call| {
            routes::dispatch(self, &call).await
        })
        .await
    }
}
