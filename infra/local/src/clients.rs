//! What each function calls other services through: on one machine the engine, the hub, the queues or the bucket
//! themselves, in tests what stands before them and wants to know who calls.

use std::sync::Arc;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;

/// Makes something for a function, by the function's name.
pub struct Of<T>(Arc<dyn Fn(&'static str) -> T + Send + Sync>);

/// The HTTP client of a function's SDK.
pub type ClientOf = Of<SharedHttpClient>;
/// The connector of a function that calls without an SDK.
pub type ConnectorOf = Of<SharedHttpConnector>;

impl<T: Clone + Send + Sync + 'static> Of<T> {
    pub fn new(make: impl Fn(&'static str) -> T + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The same for every function.
    pub fn any(one: T) -> Self {
        Self::new(move |_| one.clone())
    }

    pub fn function(&self, name: &'static str) -> T {
        (self.0)(name)
    }
}

impl<T> Clone for Of<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> std::fmt::Debug for Of<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Of").finish_non_exhaustive()
    }
}
