//! The `agents` function: agents over REST, and the service's health. Its routes are in the route
//! table; `routes` has a file per verb.

mod request;
mod routes;

use std::sync::{Arc, OnceLock};

use agent_management::clock::Clock;
use agent_management::http;
use agent_management::http::cors::Cors;
use agent_management::http::routes::Function;
use agent_management::lambda::rest::Handler;
use agent_management::usecase::Base;
use lambda_http::{Body, Request, Response};
use serde_json::Value;

use crate::routes::health::Readiness;

/// The function with what it depends on.
#[derive(Debug, Clone)]
pub struct Agents {
    base: Base,
    clock: Clock,
    cors: Cors,
    readiness: Arc<Readiness>,
    /// Made at the first request for it.
    openapi: Arc<OnceLock<Value>>,
}

impl Agents {
    pub fn new(base: Base, clock: Clock, cors: Cors) -> Self {
        Self { base, clock, cors, readiness: Arc::default(), openapi: Arc::default() }
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
