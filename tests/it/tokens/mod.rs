//! Which bearer tokens the authorizer takes, asked of it directly, with keys and a clock that the
//! test controls. Every refusal stands beside a token that differs in nothing else and is taken.

mod accepted;
mod algorithms;
mod claims;
mod form;
mod key_url;
mod signing;

use agent_management::error::Error;
use agent_management::http::caller::Caller;
use agent_management::tier::Tiers;
use authorizer::{Authorizer, KeySource, Settings};
use harness::App;
use serde_json::{Value, json};

use signing::{SigningKey, a_token, claims_of};

const ISSUER: &str = "https://id.example.com/";
const AUDIENCE: &str = "agent-management";
/// What an [`App`]'s clock shows at its start.
const NOW_S: i64 = 1_767_225_600;

/// Why tokens are refused, as the authorizer words it.
mod reason {
    pub(super) const MALFORMED: &str = "not a token";
    pub(super) const ALGORITHM: &str = "algorithm not accepted";
    pub(super) const OWN_KEY: &str = "the token brings its own key";
    pub(super) const CRITICAL: &str = "unknown critical header";
    pub(super) const UNKNOWN_KEY: &str = "unknown key";
    pub(super) const SIGNATURE: &str = "wrong signature";
    pub(super) const ISSUER: &str = "wrong issuer";
    pub(super) const AUDIENCE: &str = "wrong audience";
    pub(super) const EXPIRED: &str = "expired";
    pub(super) const NOT_YET_VALID: &str = "not yet valid";
    pub(super) const CLAIMS: &str = "claims missing or malformed";
}

/// The identity provider's keys, one of each kind, each under its kind as `kid`.
struct Provider {
    ed: SigningKey,
    ec: SigningKey,
    rsa: SigningKey,
}

impl Provider {
    fn new() -> Self {
        Self { ed: SigningKey::ed25519("ed"), ec: SigningKey::p256("ec"), rsa: SigningKey::rsa_2048("rsa") }
    }

    fn all(&self) -> [&SigningKey; 3] {
        [&self.ed, &self.ec, &self.rsa]
    }

    fn jwks(&self) -> Vec<Value> {
        self.all().map(SigningKey::jwk).into()
    }
}

fn key_set(jwks: &[Value]) -> Value {
    json!({"keys": jwks})
}

/// The authorizer, over an empty table at the start of 2026.
struct Judge {
    app: App,
    authorizer: Authorizer,
}

impl Judge {
    async fn trusting(jwks: &[Value]) -> Self {
        let keys = serde_json::from_value(key_set(jwks)).expect("tests make key sets");
        Self::with_source(KeySource::Inline(keys)).await
    }

    async fn with_source(keys: KeySource) -> Self {
        let app = App::start().await;
        assert_eq!(app.clock.now().as_second(), NOW_S);
        let settings = Settings {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            tenant_claim: "tenant".to_owned(),
            keys,
        };
        let tiers = Tiers::embedded().expect("the embedded tiers are good");
        let authorizer = Authorizer::new(settings, app.host.store.clone(), tiers, app.clock.clone()).await;
        Self { app, authorizer }
    }

    /// Whom the token stands for.
    async fn caller(&self, token: &str) -> Caller {
        match self.authorizer.identify(&format!("Bearer {token}")).await {
            Ok(caller) => caller,
            Err(error) => panic!("{error}: {}", claims_of(token)),
        }
    }

    /// Whether nothing can be said of the token, good or bad.
    async fn is_unable(&self, token: &str) -> bool {
        let answer = self.authorizer.identify(&format!("Bearer {token}")).await;
        matches!(answer, Err(Error::Unavailable(_)))
    }

    /// Why the token is refused: the whole message, which has nothing of the token.
    async fn refusal(&self, token: &str) -> &'static str {
        let error = match self.authorizer.identify(&format!("Bearer {token}")).await {
            Ok(caller) => panic!("{caller:?} is let in by {}", claims_of(token)),
            Err(error) => error,
        };
        let text = format!("{error} {error:?}");
        for part in token.split('.').filter(|part| part.len() > 3) {
            assert!(!text.contains(part), "{text}");
        }
        match error {
            Error::Unauthorized(reason) => reason,
            other => panic!("{other}"),
        }
    }
}
