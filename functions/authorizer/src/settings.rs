//! What a deployment says about its identity provider.

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use jsonwebtoken::jwk::JwkSet;

use crate::keys::KeySource;

/// Whose tokens are good, and where they say what.
#[derive(Debug, Clone)]
pub struct Settings {
    pub issuer: String,
    pub audience: String,
    /// The claim that names the tenant.
    pub tenant_claim: String,
    pub keys: KeySource,
}

/// A setting is missing or can't be used. Lambda logs an error by its `Debug`, which is the text here.
#[derive(thiserror::Error)]
pub enum BadSettings {
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    #[error("set either JWKS or JWKS_URL")]
    NoKeys,
    #[error("JWKS is not a key set")]
    Jwks(#[from] serde_json::Error),
    #[error("JWKS_URL is not an https URL")]
    JwksUrl,
}

impl std::fmt::Debug for BadSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Settings {
    /// From `JWT_ISSUER`, `JWT_AUDIENCE`, `JWT_TENANT_CLAIM` (default `tenant`), and `JWKS` (a key
    /// set) or `JWKS_URL` (where one is, for which alone a connector is made).
    ///
    /// # Errors
    /// [`BadSettings`].
    pub fn from_env(connector: fn() -> SharedHttpConnector) -> Result<Self, BadSettings> {
        let optional = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let required = |name: &'static str| optional(name).ok_or(BadSettings::Missing(name));
        let keys = match (optional("JWKS"), optional("JWKS_URL")) {
            (Some(jwks), None) => KeySource::Inline(serde_json::from_str::<JwkSet>(&jwks)?),
            (None, Some(url)) if url.starts_with("https://") => {
                KeySource::Url { url, connector: connector() }
            }
            (None, Some(_)) => return Err(BadSettings::JwksUrl),
            (Some(_), Some(_)) | (None, None) => return Err(BadSettings::NoKeys),
        };
        Ok(Self {
            issuer: required("JWT_ISSUER")?,
            audience: required("JWT_AUDIENCE")?,
            tenant_claim: optional("JWT_TENANT_CLAIM").unwrap_or_else(|| "tenant".to_owned()),
            keys,
        })
    }
}
