//! The `templates` function: templates and their versions over REST, what they render to, the agents that are
//! made from them, and how those follow them. `routes` has a file per verb.

mod routes;

use agent_management::clock::Clock;
use agent_management::http;
use agent_management::http::cors::Cors;
use agent_management::http::routes::Function;
use agent_management::lambda::rest::Handler;
use agent_management::usecase::library::Library;
use lambda_http::{Body, Request, Response};

/// The function with what it depends on.
#[derive(Debug, Clone)]
pub struct Templates {
    library: Library,
    clock: Clock,
    cors: Cors,
}

impl Templates {
    pub fn new(library: Library, clock: Clock, cors: Cors) -> Self {
        Self { library, clock, cors }
    }
}

impl Handler for Templates {
    async fn handle(&self, request: Request) -> Response<Body> {
        let now = self.clock.now();
        http::serve(Function::Templates, request, &self.cors, now, async |call| {
            routes::dispatch(self, &call).await
        })
        .await
    }
}
