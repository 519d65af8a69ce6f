//! The `jobs` function: jobs and what becomes of their items over REST. It starts none by itself: a job that is
//! written is handed to its queue by `stream-fanout`, as every change of the table is.

mod routes;

use agent_management::clock::Clock;
use agent_management::files::store::Signer;
use agent_management::http;
use agent_management::http::cors::Cors;
use agent_management::http::routes::Function;
use agent_management::lambda::rest::Handler;
use agent_management::usecase::Base;
use lambda_http::{Body, Request, Response};

/// The function with what it depends on.
#[derive(Debug, Clone)]
pub struct Jobs {
    base: Base,
    signer: Signer,
    clock: Clock,
    cors: Cors,
}

impl Jobs {
    pub fn new(base: Base, signer: Signer, clock: Clock, cors: Cors) -> Self {
        Self { base, signer, clock, cors }
    }
}

impl Handler for Jobs {
    async fn handle(&self, request: Request) -> Response<Body> {
        let now = self.clock.now();
        http::serve(Function::Jobs, request, &self.cors, now, async |call| {
            routes::dispatch(self, &call).await
        })
        .await
    }
}
