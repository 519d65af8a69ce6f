//! The identity provider's public keys. A key set by URL is fetched again when a token names a key
//! that it lacks, at most once a minute, and after an hour; when that fails, the keys that are known
//! stay good.

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
/// After this long a set is fetched again although it has the key: the provider may have withdrawn it.
const SET_AGE_MAX: Duration = Duration::from_hours(1);
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

/// No key set could be read yet, so nothing can be said of any token.
#[derive(Debug)]
pub(crate) struct NoKeySet;

#[derive(Debug)]
struct Known {
    set: Arc<JwkSet>,
    /// When a fetch was last tried, whether or not it succeeded; none after a start that failed.
    tried_at: Option<Timestamp>,
    /// When the set that is known was fetched.
    fetched_at: Option<Timestamp>,
}

impl Keys {
    /// The keys of `source`; none yet if it can't be reached.
    pub async fn load(source: KeySource, now: Timestamp) -> Self {
        let set = match &source {
            KeySource::Inline(set) => Some(set.clone()),
            KeySource::Url { url, connector } => fetch(connector, url).await,
        };
        let tried_at = set.is_some().then_some(now);
        let set = Arc::new(set.unwrap_or(JwkSet { keys: Vec::new() }));
        Self { source, known: Mutex::new(Known { set, tried_at, fetched_at: tried_at }) }
    }

    /// The key that `kid` names. Without a `kid`, the only key there is.
    ///
    /// # Errors
    /// [`NoKeySet`].
    pub(crate) async fn find(&self, kid: Option<&str>, now: Timestamp) -> Result<Option<Jwk>, NoKeySet> {
        let mut known = self.known.lock().await;
        let is_older = |at: Option<Timestamp>, than: Duration| {
            at.is_none_or(|at| now.duration_since(at).unsigned_abs() >= than)
        };
        let is_wanted = pick(&known.set, kid).is_none() || is_older(known.fetched_at, SET_AGE_MAX);
        let is_allowed = is_older(known.tried_at, REFETCH_AGE_MIN);
        if let KeySource::Url { url, connector } = &self.source
            && is_wanted
            && is_allowed
        {
            known.tried_at = Some(now);
            if let Some(set) = fetch(connector, url).await {
                known.set = Arc::new(set);
                known.fetched_at = Some(now);
            }
        }
        if known.fetched_at.is_none() {
            return Err(NoKeySet);
        }
        Ok(pick(&known.set, kid))
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
