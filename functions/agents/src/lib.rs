//! The `agents` function: agents over REST, and the service's health. Its routes are in the route
//! table; `routes` has a file per verb.

mod request;
mod routes;

use std::sync::Arc;

use agent_management::clock::Clock;
use agent_management::dynamo::Store;
use agent_management::http::routes::Function;
use agent_management::http::{self, Problem};
use agent_management::lambda::rest::Handler;
use agent_management::tier::Tiers;
use lambda_http::{Body, Request, Response};

use crate::routes::health::Readiness;

/// The function with what it depends on.
#[derive(Debug, Clone)]
pub struct Agents {
    store: Store,
    tiers: Arc<Tiers>,
    clock: Clock,
    readiness: Arc<Readiness>,
}

impl Agents {
    pub fn new(store: Store, tiers: Arc<Tiers>, clock: Clock) -> Self {
        Self { store, tiers, clock, readiness: Arc::default() }
    }
}

impl Handler for Agents {
    async fn handle(&self, request: Request) -> Response<Body> {
        let (exchange, admitted) = http::open(Function::Agents, request, self.clock.now());
        let outcome = match admitted {
            Ok(call) => routes::dispatch(self, &call).await.map_err(Problem::from),
            Err(problem) => Err(problem),
        };
        exchange.close(outcome)
    }
}
