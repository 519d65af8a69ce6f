//! What a function builds once, before its first event.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::connection::post::Sockets;
use crate::dynamo::Store;
use crate::http::cors::{BadOrigin, Cors};
use crate::queue::Queue;

/// How long the first call to the table may take, which nobody waits for but the start.
const WARM_UP_MAX: Duration = Duration::from_secs(2);

/// How long one attempt at a call may take, and all of them: the gateway waits 29 seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// A variable that the function needs is not set.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} is not set")]
pub struct MissingVariable(pub &'static str);

/// The clients of a function: one configuration, one connection pool, one TLS stack.
#[derive(Debug)]
pub struct Clients {
    config: aws_config::SdkConfig,
}

impl Clients {
    /// In the environment's region and with its credentials.
    pub async fn from_env() -> Self {
        let http_client = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client)
            .timeout_config(timeouts)
            .load()
            .await;
        Self { config }
    }

    /// The table that `TABLE_NAME` names, with a connection open: one read at the start, which has a
    /// whole processor for it, spares the first request the handshake. What comes of it does not matter.
    ///
    /// # Errors
    /// [`MissingVariable`].
    pub async fn store(&self) -> Result<Store, MissingVariable> {
        let store = Store::new(aws_sdk_dynamodb::Client::new(&self.config), required("TABLE_NAME")?);
        let _ = tokio::time::timeout(WARM_UP_MAX, store.ping()).await;
        Ok(store)
    }

    /// The queue whose URL the variable has.
    ///
    /// # Errors
    /// [`MissingVariable`].
    pub fn queue(&self, variable: &'static str) -> Result<Queue, MissingVariable> {
        Ok(Queue::new(aws_sdk_sqs::Client::new(&self.config), required(variable)?))
    }

    /// The sockets of the API whose `@connections` are below `CONNECTIONS_URL`.
    ///
    /// # Errors
    /// [`MissingVariable`].
    pub fn sockets(&self) -> Result<Sockets, MissingVariable> {
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(&self.config)
            .endpoint_url(required("CONNECTIONS_URL")?)
            // Posts have a patience of their own.
            .retry_config(RetryConfig::disabled())
            .build();
        Ok(Sockets::new(aws_sdk_apigatewaymanagement::Client::from_conf(config)))
    }
}

fn required(name: &'static str) -> Result<String, MissingVariable> {
    std::env::var(name).map_err(|_| MissingVariable(name))
}

/// The table that `TABLE_NAME` names, in the environment's region and with its credentials.
///
/// # Errors
/// [`MissingVariable`].
pub async fn store_from_env() -> Result<Store, MissingVariable> {
    Clients::from_env().await.store().await
}

/// The origins that `CORS_ORIGINS` lists, separated by commas; none where it is not set.
///
/// # Errors
/// [`BadOrigin`].
pub fn cors_from_env() -> Result<Cors, BadOrigin> {
    let listed = std::env::var("CORS_ORIGINS").unwrap_or_default();
    Cors::admitting(listed.split(',').map(str::trim).filter(|origin| !origin.is_empty()))
}

/// A connector for https, with the one TLS stack of the service.
pub fn https_connector() -> SharedHttpConnector {
    let connector = aws_smithy_http_client::Connector::builder()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build();
    SharedHttpConnector::new(connector)
}

/// Logs as JSON lines on standard output, at the level that `RUST_LOG` names or `info`.
pub fn init_tracing() {
    use tracing_subscriber::EnvFilter;

    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_current_span(false)
        .with_target(false)
        .init();
}
