//! Tokens and the keys that sign them. A builder's defaults are good; a test names what matters to it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Map, Value, json};

use super::{AUDIENCE, ISSUER, NOW_S};

/// A test key that nothing trusts: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`,
/// as PKCS #8. ring makes no RSA keys.
const RSA_2048: &[u8] = include_bytes!("../../fixtures/rsa-2048.pk8");

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64")
}

/// Signs a message.
type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A key pair, the algorithm that it signs by, and the name of its public half.
pub(super) struct SigningKey {
    pub(super) kid: &'static str,
    pub(super) algorithm: &'static str,
    /// What a JWK of the key has besides `kid`, `alg` and `use`.
    public: Value,
    sign: Sign,
}

impl SigningKey {
    pub(super) fn ed25519(kid: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a random source");
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key that was just made");
        Self {
            kid,
            algorithm: "EdDSA",
            public: json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key())}),
            sign: Box::new(move |message| pair.sign(message).as_ref().to_vec()),
        }
    }

    pub(super) fn p256(kid: &'static str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        Self::ec(kid, "ES256", "P-256", algorithm, &Self::ec_pkcs8(algorithm))
    }

    pub(super) fn ec_pkcs8(algorithm: &'static EcdsaSigningAlgorithm) -> Vec<u8> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).expect("a random source");
        pkcs8.as_ref().to_vec()
    }

    pub(super) fn ec(
        kid: &'static str,
        name: &'static str,
        curve: &str,
        algorithm: &'static EcdsaSigningAlgorithm,
        pkcs8: &[u8],
    ) -> Self {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &random).expect("a key that was just made");
        // 4, which says "not compressed", and the two coordinates.
        let coordinates = &pair.public_key().as_ref()[1..];
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        Self {
            kid,
            algorithm: name,
            public: json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)}),
            sign: Box::new(move |message| {
                pair.sign(&random, message).expect("a random source").as_ref().to_vec()
            }),
        }
    }

    pub(super) fn rsa_2048(kid: &'static str) -> Self {
        Self::rsa(kid, "RS256", &RSA_PKCS1_SHA256)
    }

    /// The one RSA key there is, signing as `encoding` says.
    pub(super) fn rsa(kid: &'static str, name: &'static str, encoding: &'static dyn RsaEncoding) -> Self {
        let pair = RsaKeyPair::from_pkcs8(RSA_2048).expect("the fixture is a key");
        let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
        Self {
            kid,
            algorithm: name,
            public: json!({"kty": "RSA", "n": encode(n), "e": encode(e)}),
            sign: Box::new(move |message| {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).expect("a random source");
                signature
            }),
        }
    }

    /// A shared secret, which no key set has.
    pub(super) fn secret(kid: &'static str, secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self {
            kid,
            algorithm: "HS256",
            public: json!({"kty": "oct", "k": encode(secret)}),
            sign: Box::new(move |message| hmac::sign(&key, message).as_ref().to_vec()),
        }
    }

    /// RSA's public key as PKCS #1 DER.
    pub(super) fn rsa_public_der() -> Vec<u8> {
        RsaKeyPair::from_pkcs8(RSA_2048).expect("the fixture is a key").public().as_ref().to_vec()
    }

    pub(super) fn jwk(&self) -> Value {
        let mut jwk = self.public.clone();
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm);
        jwk["use"] = json!("sig");
        jwk
    }

    pub(super) fn jwk_with(&self, member: &str, value: Value) -> Value {
        let mut jwk = self.jwk();
        jwk[member] = value;
        jwk
    }

    pub(super) fn jwk_without(&self, member: &str) -> Value {
        let mut jwk = self.jwk();
        jwk.as_object_mut().and_then(|members| members.remove(member)).expect("a member");
        jwk
    }

    /// A member of the public key, decoded.
    pub(super) fn public_bytes(&self, member: &str) -> Vec<u8> {
        decode(self.public[member].as_str().expect("a text"))
    }

    pub(super) fn sign(&self, message: &str) -> String {
        encode((self.sign)(message.as_bytes()))
    }
}

/// A token of user `ann` of tenant `acme`, good for an hour, whatever key signs it.
pub(super) fn a_token() -> TokenBuilder {
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "tenant": "acme",
        "scope": "agents:read agents:write", "iat": NOW_S, "exp": NOW_S + 3_600,
    });
    let Value::Object(claims) = claims else { unreachable!("it is written as an object") };
    TokenBuilder { header: Map::new(), has_kid: true, claims }
}

#[derive(Clone)]
pub(super) struct TokenBuilder {
    /// Instead of or besides what the key makes of it.
    header: Map<String, Value>,
    has_kid: bool,
    claims: Map<String, Value>,
}

impl TokenBuilder {
    pub(super) fn headed(mut self, name: &str, value: Value) -> Self {
        self.header.insert(name.to_owned(), value);
        self
    }

    pub(super) fn without_kid(mut self) -> Self {
        self.has_kid = false;
        self
    }

    pub(super) fn claiming(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.to_owned(), value);
        self
    }

    pub(super) fn without(mut self, claim: &str) -> Self {
        self.claims.remove(claim).expect("a claim that good tokens have");
        self
    }

    pub(super) fn header_for(&self, key: &SigningKey) -> String {
        let mut header =
            Map::from_iter([("alg".to_owned(), json!(key.algorithm)), ("typ".to_owned(), json!("JWT"))]);
        if self.has_kid {
            header.insert("kid".to_owned(), json!(key.kid));
        }
        header.extend(self.header.clone());
        Value::Object(header).to_string()
    }

    pub(super) fn payload(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    /// The payload with one member more, as it stands: `"name":value`.
    pub(super) fn payload_with(&self, member: &str) -> String {
        self.payload().replacen('{', &format!("{{{member},"), 1)
    }

    pub(super) fn signed_by(&self, key: &SigningKey) -> String {
        signed(&self.header_for(key), &self.payload(), key)
    }
}

/// A token of these very texts.
pub(super) fn signed(header: &str, payload: &str, key: &SigningKey) -> String {
    signed_message(&format!("{}.{}", encode(header), encode(payload)), key)
}

/// A token whose first two parts, encoded already, are `message`.
pub(super) fn signed_message(message: &str, key: &SigningKey) -> String {
    format!("{message}.{}", key.sign(message))
}

/// Header, payload and signature, encoded.
pub(super) fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().expect("three parts")
}

/// What a token's first two parts say, for a failed test's message.
pub(super) fn claims_of(token: &str) -> String {
    let texts = token.split('.').take(2).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap_or_default());
    texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect::<Vec<_>>().join(" ")
}
