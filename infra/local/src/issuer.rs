//! The development token issuer: an Ed25519 key pair of this machine's own, and tokens signed with
//! it that the real authorizer verifies.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use agent_management::http::caller::Scope;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub const ISSUER: &str = "http://localhost/_local";
pub const AUDIENCE: &str = "agent-management";
const KEY_ID: &str = "local";
const KEY_FILE: &str = "issuer.pk8";
const USER_DEFAULT: &str = "dev";
const TTL_DEFAULT_S: u32 = 3_600;

/// What a token should say.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    pub tenant: String,
    pub user: Option<String>,
    /// Absent means every scope.
    pub scopes: Option<Vec<String>>,
    /// Seconds; negative for a token that has expired already.
    pub ttl_s: Option<i32>,
}

impl TokenRequest {
    /// A token of the default user with every scope.
    pub fn for_tenant(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), user: None, scopes: None, ttl_s: None }
    }
}

/// The key pair.
#[derive(Debug)]
pub struct Issuer {
    key_pair: Ed25519KeyPair,
}

impl Issuer {
    /// A new key pair that nothing keeps.
    ///
    /// # Errors
    /// As the system's random source.
    pub fn ephemeral() -> io::Result<Self> {
        Self::from_pkcs8(&generate()?)
    }

    /// The key pair in `folder`, made there the first time, readable by its owner only.
    ///
    /// # Errors
    /// As the file system's, and for a file that holds no key pair.
    pub fn kept_in(folder: &Path) -> io::Result<Self> {
        let path = folder.join(KEY_FILE);
        match std::fs::read(&path) {
            Ok(pkcs8) => Self::from_pkcs8(&pkcs8),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pkcs8 = generate()?;
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
                file.write_all(&pkcs8)?;
                Self::from_pkcs8(&pkcs8)
            }
            Err(error) => Err(error),
        }
    }

    fn from_pkcs8(pkcs8: &[u8]) -> io::Result<Self> {
        let key_pair =
            Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { key_pair })
    }

    /// The public key, as an identity provider publishes it.
    ///
    /// # Panics
    /// Never: the document is fixed but for the key.
    pub fn key_set(&self) -> JwkSet {
        serde_json::from_value(self.key_set_json()).expect("the key set is fixed but for the key")
    }

    pub fn key_set_json(&self) -> Value {
        let point = URL_SAFE_NO_PAD.encode(self.key_pair.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KEY_ID, "x": point}]})
    }

    /// A signed token.
    pub fn token(&self, request: &TokenRequest, now: Timestamp) -> String {
        let scopes = match &request.scopes {
            Some(scopes) => scopes.join(" "),
            None => Scope::ALL.map(Scope::as_str).join(" "),
        };
        let ttl_s = request.ttl_s.map_or_else(|| i64::from(TTL_DEFAULT_S), i64::from);
        self.sign(&json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": request.user.as_deref().unwrap_or(USER_DEFAULT),
            "tenant": request.tenant,
            "scope": scopes,
            "iat": now.as_second(),
            "exp": now.as_second() + ttl_s,
        }))
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": KEY_ID});
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = URL_SAFE_NO_PAD.encode(self.key_pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

fn generate() -> io::Result<Vec<u8>> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| io::Error::other("the system has no random source"))?;
    Ok(document.as_ref().to_vec())
}
