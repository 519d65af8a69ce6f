//! Which HTTP client each function's SDK has: on one machine the engine, the hub or the queues
//! themselves, in tests what stands before them and wants to know who calls.

use std::sync::Arc;

use aws_sdk_dynamodb::config::SharedHttpClient;

/// Makes a function's HTTP client, by the function's name.
#[derive(Clone)]
pub struct ClientOf(Arc<dyn Fn(&'static str) -> SharedHttpClient + Send + Sync>);

impl ClientOf {
    pub fn new(make: impl Fn(&'static str) -> SharedHttpClient + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The same for every function.
    pub fn any(client: SharedHttpClient) -> Self {
        Self::new(move |_| client.clone())
    }

    pub fn function(&self, name: &'static str) -> SharedHttpClient {
        (self.0)(name)
    }
}

impl std::fmt::Debug for ClientOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientOf").finish_non_exhaustive()
    }
}
