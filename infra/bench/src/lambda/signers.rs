//! An identity provider with a key of each kind that the authorizer takes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use local::issuer::{AUDIENCE, ISSUER};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};

/// A test key that nothing trusts: ring makes no RSA keys.
const RSA_2048: &[u8] = include_bytes!("../../../../tests/fixtures/rsa-2048.pk8");
/// How long tokens are good, in seconds.
const TOKEN_AGE_S: i64 = 3_600;

/// The key pairs.
#[derive(Debug)]
pub struct Signers {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    random: SystemRandom,
}

/// How a token is signed.
#[derive(Debug, Clone, Copy)]
pub enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name (RFC 7518 §3.1, RFC 8037 §3.1), which is its key's id, too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl Signers {
    pub fn generate() -> Result<Self, String> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let unspecified = |error: ring::error::Unspecified| error.to_string();
        let rejected = |error: ring::error::KeyRejected| error.to_string();
        let p256 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(unspecified)?;
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).map_err(unspecified)?;
        Ok(Self {
            rsa: RsaKeyPair::from_pkcs8(RSA_2048).map_err(rejected)?,
            p256: EcdsaKeyPair::from_pkcs8(algorithm, p256.as_ref(), &random).map_err(rejected)?,
            ed25519: Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).map_err(rejected)?,
            random,
        })
    }

    /// The public keys, as an identity provider publishes them.
    pub fn key_set(&self) -> Value {
        let keys = Algorithm::ALL.map(|algorithm| {
            let mut key = self.public(algorithm);
            key["kid"] = algorithm.as_str().into();
            key["alg"] = algorithm.as_str().into();
            key["use"] = "sig".into();
            key
        });
        json!({"keys": keys})
    }

    /// A token of the tenant's user, good for an hour.
    pub fn token(
        &self,
        algorithm: Algorithm,
        tenant: &str,
        user: &str,
        now: Timestamp,
    ) -> Result<String, String> {
        let header = json!({"alg": algorithm.as_str(), "typ": "JWT", "kid": algorithm.as_str()});
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": user, "tenant": tenant,
            "scope": "agents:read agents:write events:read openid profile",
            "iat": now.as_second(), "exp": now.as_second() + TOKEN_AGE_S,
        });
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = self.sign(algorithm, message.as_bytes()).map_err(|error| error.to_string())?;
        Ok(format!("{message}.{}", encoded(signature)))
    }

    fn public(&self, algorithm: Algorithm) -> Value {
        match algorithm {
            Algorithm::Rs256 => {
                let RsaPublicKeyComponents { n, e } =
                    RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
                json!({"kty": "RSA", "n": encoded(n), "e": encoded(e)})
            }
            Algorithm::Es256 => {
                // 4, which says "not compressed", and the two coordinates.
                let coordinates = &self.p256.public_key().as_ref()[1..];
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                json!({"kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y)})
            }
            Algorithm::EdDsa => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(self.ed25519.public_key())})
            }
        }
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, ring::error::Unspecified> {
        match algorithm {
            Algorithm::Rs256 => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature)?;
                Ok(signature)
            }
            Algorithm::Es256 => Ok(self.p256.sign(&self.random, message)?.as_ref().to_vec()),
            Algorithm::EdDsa => Ok(self.ed25519.sign(message).as_ref().to_vec()),
        }
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
