//! The identity provider's public keys. A key set by URL is fetched again when a token names a key
//! that it lacks, at most once a minute; when that fails, the keys that are known stay good.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use tokio::sync::Mutex;

/// The least time between two fetches.
const REFETCH_AGE_MIN: Duration = Duration::from_mins(1);
/// How long a fetch may take in all.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// The greatest key set that is read.
const KEY_SET_MAX_BYTES: usize = 256 * 1024;

/// Where keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    Inline(JwkSet),
    Url { url: String, connector: SharedHttpConnector },
}

/// The keys that are known.
#[derive(Debug)]
pub struct Keys {
    source: KeySource,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    set: Arc<JwkSet>,
    /// When a fetch was last tried, whether or not it succeeded.
    tried_at: Timestamp,
}

impl Keys {
    /// The keys of `source`; none yet if it can't be reached.
    pub async fn load(source: KeySource, now: Timestamp) -> Self {
        let set = match &source {
            KeySource::Inline(set) => set.clone(),
            KeySource::Url { url, connector } => {
                fetch(connector, url).await.unwrap_or(JwkSet { keys: Vec::new() })
            }
        };
        Self { source, known: Mutex::new(Known { set: Arc::new(set), tried_at: now }) }
    }

    /// The key that `kid` names. Without a `kid`, the only key there is.
    pub(crate) async fn find(&self, kid: Option<&str>, now: Timestamp) -> Option<Jwk> {
        let mut known = self.known.lock().await;
        if let Some(key) = pick(&known.set, kid) {
            return Some(key);
        }
        let KeySource::Url { url, connector } = &self.source else {
            return None;
        };
        if now.duration_since(known.tried_at).unsigned_abs() < REFETCH_AGE_MIN {
            return None;
        }
        known.tried_at = now;
        if let Some(set) = fetch(connector, url).await {
            known.set = Arc::new(set);
        }
        pick(&known.set, kid)
    }
}

fn pick(set: &JwkSet, kid: Option<&str>) -> Option<Jwk> {
    match (kid, set.keys.as_slice()) {
        (Some(kid), _) => set.find(kid).cloned(),
        (None, [only]) => Some(only.clone()),
        (None, _) => None,
    }
}

/// The key set at `url`, or none, with the reason in the log.
async fn fetch(connector: &SharedHttpConnector, url: &str) -> Option<JwkSet> {
    match tokio::time::timeout(FETCH_TIMEOUT, read(connector, url)).await {
        Ok(Ok(set)) => Some(set),
        Ok(Err(reason)) => {
            tracing::warn!(reason, "the key set cannot be read");
            None
        }
        Err(_) => {
            tracing::warn!("the key set does not answer");
            None
        }
    }
}

async fn read(connector: &SharedHttpConnector, url: &str) -> Result<JwkSet, &'static str> {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_uri(url).map_err(|_| "its URL is not one")?;
    let response = connector.call(request).await.map_err(|_| "it can't be reached")?;
    if !response.status().is_success() {
        return Err("it answers another status than 2xx");
    }
    let body = Limited::new(response.into_body(), KEY_SET_MAX_BYTES).collect().await;
    let bytes = body.map_err(|_| "its body can't be read or is too large")?.to_bytes();
    serde_json::from_slice(&bytes).map_err(|_| "it is not a key set")
}
