//! What a function builds once, before its first event.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::Clock;
use crate::connection::post::Sockets;
use crate::dynamo::Store;
use crate::files::store::{BadPlace, Files, Place, Signer};
use crate::http::cors::Cors;
use crate::queue::Queue;

use super::tls::{self, Roots};

/// Variables that every SDK of AWS reads: another endpoint for one service.
const DYNAMODB_URL: &str = "AWS_ENDPOINT_URL_DYNAMODB";
const SQS_URL: &str = "AWS_ENDPOINT_URL_SQS";
const S3_URL: &str = "AWS_ENDPOINT_URL_S3";

/// How long the first call to the table may take, which nobody waits for but the start.
const WARM_UP_MAX: Duration = Duration::from_secs(2);

/// How long one attempt at a call may take, and all of them: the gateway waits 29 seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a function does not start. Lambda logs an error by its `Debug`, which is the text here.
#[derive(thiserror::Error)]
#[error("the environment variable {variable} {reason}")]
pub struct BadVariable {
    variable: &'static str,
    reason: String,
}

impl std::fmt::Debug for BadVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The clients of a function: one configuration, one connection pool, one TLS stack.
#[derive(Debug)]
pub struct Clients {
    config: SdkConfig,
    roots: Roots,
}

impl Clients {
    /// In the environment's region and with its credentials, which Lambda sets for as long as the
    /// environment lives. There is no other way to find them here: a binary has no room for the rest.
    ///
    /// # Errors
    /// [`BadVariable`].
    pub fn from_env() -> Result<Self, BadVariable> {
        let region = required("AWS_REGION")?;
        // One without TLS, as on one machine, is a matter of no roots.
        let is_https = |name: &str| std::env::var(name).is_ok_and(|url| url.starts_with("https:"));
        let has_own_endpoint = ["AWS_ENDPOINT_URL", DYNAMODB_URL, SQS_URL, S3_URL].into_iter().any(is_https);
        let has_own_certificates = std::env::var_os("SSL_CERT_FILE").is_some();
        let roots = Roots::of(&region, has_own_endpoint, has_own_certificates);
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            std::env::var("AWS_SESSION_TOKEN").ok(),
            None,
            "environment",
        );
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(tls::http_client(roots))
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard())
            .sleep_impl(TokioSleep::new())
            .time_source(SystemTimeSource::new())
            .build();
        Ok(Self { config, roots })
    }

    /// The configuration of a service's client, whose endpoint may be another than AWS's: the variables
    /// are those that every SDK reads.
    fn of(&self, endpoint_variable: &str) -> SdkConfig {
        let endpoint = std::env::var(endpoint_variable).or_else(|_| std::env::var("AWS_ENDPOINT_URL"));
        let mut config = self.config.to_builder();
        config.set_endpoint_url(endpoint.ok());
        config.build()
    }

    /// The table that `TABLE_NAME` names, with a connection open: one read at the start, which has a
    /// whole processor for it, spares the first request the handshake. What comes of it does not matter.
    ///
    /// # Errors
    /// [`BadVariable`].
    pub async fn store(&self) -> Result<Store, BadVariable> {
        let store =
            Store::new(aws_sdk_dynamodb::Client::new(&self.of(DYNAMODB_URL)), required("TABLE_NAME")?);
        let _ = tokio::time::timeout(WARM_UP_MAX, store.ping()).await;
        Ok(store)
    }

    /// The queue whose URL the variable has.
    ///
    /// # Errors
    /// [`BadVariable`].
    pub fn queue(&self, variable: &'static str) -> Result<Queue, BadVariable> {
        Ok(Queue::new(aws_sdk_sqs::Client::new(&self.of(SQS_URL)), required(variable)?))
    }

    /// Who signs for the bucket that `FILES_BUCKET` names.
    ///
    /// # Errors
    /// [`BadVariable`].
    pub fn signer(&self) -> Result<Signer, BadVariable> {
        let endpoint = std::env::var(S3_URL).or_else(|_| std::env::var("AWS_ENDPOINT_URL"));
        let place = Place {
            endpoint: endpoint.ok(),
            region: required("AWS_REGION")?,
            bucket: required("FILES_BUCKET")?,
        };
        let (key, secret) = (required("AWS_ACCESS_KEY_ID")?, required("AWS_SECRET_ACCESS_KEY")?);
        let credentials = match std::env::var("AWS_SESSION_TOKEN") {
            Ok(token) => rusty_s3::Credentials::new_with_token(key, secret, token),
            Err(_) => rusty_s3::Credentials::new(key, secret),
        };
        let bad = |error: BadPlace| BadVariable { variable: "FILES_BUCKET", reason: error.to_string() };
        Signer::new(place, credentials).map_err(bad)
    }

    /// The files in that bucket.
    ///
    /// # Errors
    /// [`BadVariable`].
    pub fn files(&self, clock: Clock) -> Result<Files, BadVariable> {
        Ok(Files::new(self.signer()?, tls::connector(self.roots), clock))
    }

    /// The sockets of the API whose `@connections` are below `CONNECTIONS_URL`.
    ///
    /// # Errors
    /// [`BadVariable`].
    pub fn sockets(&self) -> Result<Sockets, BadVariable> {
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(&self.config)
            .endpoint_url(required("CONNECTIONS_URL")?)
            // Posts have a patience of their own.
            .retry_config(RetryConfig::disabled())
            .build();
        Ok(Sockets::new(aws_sdk_apigatewaymanagement::Client::from_conf(config)))
    }
}

fn required(name: &'static str) -> Result<String, BadVariable> {
    std::env::var(name).map_err(|_| BadVariable { variable: name, reason: "is not set".to_owned() })
}

/// The table that `TABLE_NAME` names, in the environment's region and with its credentials.
///
/// # Errors
/// [`BadVariable`].
pub async fn store_from_env() -> Result<Store, BadVariable> {
    Clients::from_env()?.store().await
}

/// The origins that `CORS_ORIGINS` lists, separated by commas; none where it is not set.
///
/// # Errors
/// [`BadVariable`].
pub fn cors_from_env() -> Result<Cors, BadVariable> {
    let listed = std::env::var("CORS_ORIGINS").unwrap_or_default();
    let origins = listed.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    Cors::admitting(origins).map_err(|error| BadVariable {
        variable: "CORS_ORIGINS",
        reason: format!("is not a list of origins: {error}"),
    })
}

/// Logs as JSON lines on standard output, at the level that `RUST_LOG` names or `info`.
pub fn init_tracing() {
    let lines = tracing_subscriber::fmt::layer().json().with_current_span(false).with_target(false);
    tracing_subscriber::registry().with(log_filter(LevelFilter::INFO)).with(lines).init();
}

/// What is logged: what `RUST_LOG` says (a level, or levels by module as in `warn,webhooks=debug`), or
/// `default`.
pub fn log_filter(default: LevelFilter) -> Targets {
    let directives = std::env::var("RUST_LOG").ok().and_then(|directives| directives.parse().ok());
    directives.unwrap_or_else(|| Targets::new().with_default(default))
}
