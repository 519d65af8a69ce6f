//! Tokens (RFC 7519, as RFC 8725 asks for): three algorithms, each bound to its kind of key, a
//! signature over everything that is believed, and nothing fetched or trusted from the token.

use agent_management::id::{TenantId, UserId};
use jiff::Timestamp;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::keys::Keys;
use crate::settings::Settings;

/// The greatest token that is looked at, in bytes: API Gateway's bound on all headers is 10 KB.
const TOKEN_MAX_BYTES: usize = 8 * 1024;
/// By how many seconds the issuer's clock may be ahead of ours.
const CLOCK_SKEW_S: i64 = 30;

/// What a good token says.
#[derive(Debug)]
pub struct Claims {
    pub tenant: TenantId,
    pub user: UserId,
    pub scopes: String,
    pub expires_at: Timestamp,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Malformed,
    Algorithm,
    /// It brings its own key, or says where to get one.
    OwnKey,
    /// It has a critical header that we do not know (RFC 7515 §4.1.11).
    Critical,
    UnknownKey,
    /// There are no keys to judge it by.
    NoKeySet,
    Signature,
    Issuer,
    Audience,
    Expired,
    NotYetValid,
    /// A claim that we need is missing or has another form.
    Claims,
}

impl Refusal {
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "not a token",
            Self::Algorithm => "algorithm not accepted",
            Self::OwnKey => "the token brings its own key",
            Self::Critical => "unknown critical header",
            Self::UnknownKey => "unknown key",
            Self::NoKeySet => "the key set can't be read",
            Self::Signature => "wrong signature",
            Self::Issuer => "wrong issuer",
            Self::Audience => "wrong audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not yet valid",
            Self::Claims => "claims missing or malformed",
        }
    }
}

#[derive(Debug, Deserialize)]
struct Payload {
    /// One issuer; the crate would take a list that has ours.
    #[serde(rename = "iss")]
    _issuer: String,
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    scope: Option<String>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// Verifies `token` and reads it.
///
/// # Errors
/// The [`Refusal`].
pub async fn verify(
    token: &str,
    settings: &Settings,
    keys: &Keys,
    now: Timestamp,
) -> Result<Claims, Refusal> {
    if token.len() > TOKEN_MAX_BYTES {
        return Err(Refusal::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
        // `none` and other names that the crate does not know end here.
        jsonwebtoken::errors::ErrorKind::Json(_) => Refusal::Algorithm,
        _ => Refusal::Malformed,
    })?;
    check_header(&header)?;
    let key = keys.find(header.kid.as_deref(), now).await.map_err(|_| Refusal::NoKeySet)?;
    let key = key.ok_or(Refusal::UnknownKey)?;
    if algorithm_of(&key) != Some(header.alg) {
        return Err(Refusal::Algorithm);
    }
    let decoding_key = DecodingKey::from_jwk(&key).map_err(|_| Refusal::UnknownKey)?;
    let payload = jsonwebtoken::decode::<Payload>(token, &decoding_key, &validation(header.alg, settings))
        .map_err(|error| refusal_of(error.kind()))?
        .claims;
    read(payload, settings, now)
}

fn check_header(header: &Header) -> Result<(), Refusal> {
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) {
        return Err(Refusal::Algorithm);
    }
    if header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() || header.x5c.is_some() {
        return Err(Refusal::OwnKey);
    }
    if header.crit.is_some() {
        return Err(Refusal::Critical);
    }
    Ok(())
}

/// The one algorithm that a key is for, by its kind and curve, whatever its `alg` says; none if
/// its `alg` contradicts that or it is not for signatures.
fn algorithm_of(key: &Jwk) -> Option<Algorithm> {
    use jsonwebtoken::jwk::{KeyAlgorithm, PublicKeyUse};

    if !matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let (algorithm, name) = match &key.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(params) if params.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(params) if params.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    match key.common.key_algorithm {
        None => Some(algorithm),
        Some(stated) => (stated == name).then_some(algorithm),
    }
}

/// Issuer and audience are the crate's to check; times are ours, by our clock.
fn validation(algorithm: Algorithm, settings: &Settings) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&[&settings.audience]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

fn refusal_of(error: &jsonwebtoken::errors::ErrorKind) -> Refusal {
    use jsonwebtoken::errors::ErrorKind as K;
    match error {
        K::InvalidSignature => Refusal::Signature,
        K::InvalidIssuer => Refusal::Issuer,
        K::InvalidAudience => Refusal::Audience,
        K::InvalidAlgorithm | K::InvalidAlgorithmName => Refusal::Algorithm,
        K::MissingRequiredClaim(_) | K::Json(_) => Refusal::Claims,
        _ => Refusal::Malformed,
    }
}

fn read(payload: Payload, settings: &Settings, now: Timestamp) -> Result<Claims, Refusal> {
    let expires_at = numeric_date(payload.exp)?;
    if expires_at <= now {
        return Err(Refusal::Expired);
    }
    if let Some(not_before) = payload.nbf {
        let skew_s = numeric_date(not_before)?.as_second().saturating_sub(now.as_second());
        if skew_s > CLOCK_SKEW_S {
            return Err(Refusal::NotYetValid);
        }
    }
    let tenant = payload.other.get(&settings.tenant_claim).and_then(Value::as_str).ok_or(Refusal::Claims)?;
    Ok(Claims {
        tenant: tenant.parse().map_err(|_| Refusal::Claims)?,
        user: payload.sub.parse().map_err(|_| Refusal::Claims)?,
        scopes: payload.scope.unwrap_or_default(),
        expires_at,
    })
}

/// A NumericDate (RFC 7519 §2): seconds since the epoch, perhaps with decimals.
fn numeric_date(seconds: f64) -> Result<Timestamp, Refusal> {
    #[expect(clippy::cast_possible_truncation, reason = "out of range saturates, and is then refused")]
    let whole_seconds = seconds.floor() as i64;
    Timestamp::from_second(whole_seconds).map_err(|_| Refusal::Claims)
}
