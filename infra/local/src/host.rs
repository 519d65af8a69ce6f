//! The functions put together: the one place that knows all of them.

use std::sync::Arc;

use agent_management::clock::Clock;
use agent_management::dynamo::Store;
use agent_management::http::cors::Cors;
use agent_management::tier::Tiers;
use agents::Agents;
use authorizer::{Authorizer, KeySource, Settings};
use aws_sdk_dynamodb::config::SharedHttpClient;

use crate::gateway::{Functions, Gateway};
use crate::issuer::{AUDIENCE, ISSUER, Issuer};
use crate::table::{self, Engine};

/// What a host is made of.
#[derive(Debug)]
pub struct Parts {
    pub engine: Engine,
    /// What the SDK talks to: the engine, or what stands before it.
    pub http_client: SharedHttpClient,
    pub issuer: Issuer,
    pub clock: Clock,
    pub cors: Cors,
}

impl Parts {
    pub fn new(engine: Engine, issuer: Issuer, clock: Clock) -> Self {
        Self {
            http_client: SharedHttpClient::new(engine.clone()),
            engine,
            issuer,
            clock,
            cors: Cors::default(),
        }
    }
}

/// The service on one machine.
#[derive(Debug)]
pub struct Host {
    pub gateway: Gateway,
    pub store: Store,
    pub engine: Engine,
    pub issuer: Issuer,
    pub tiers: Arc<Tiers>,
    pub clock: Clock,
}

impl Host {
    /// # Errors
    /// A bad tier file, as text.
    pub async fn new(parts: Parts) -> Result<Self, String> {
        let Parts { engine, http_client, issuer, clock, cors } = parts;
        let embedded = || Tiers::embedded().map_err(|error| error.to_string());
        let tiers = Arc::new(embedded()?);
        let store = table::store(http_client);
        let settings = Settings {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            tenant_claim: "tenant".to_owned(),
            keys: KeySource::Inline(issuer.key_set()),
        };
        let functions = Functions {
            agents: Agents::new(store.clone(), Arc::clone(&tiers), clock.clone(), cors.clone()),
            authorizer: Authorizer::new(settings, store.clone(), embedded()?, clock.clone()).await,
        };
        Ok(Self {
            gateway: Gateway::new(functions, clock.clone(), cors),
            store,
            engine,
            issuer,
            tiers,
            clock,
        })
    }
}
