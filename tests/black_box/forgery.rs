//! Tokens that nobody should take, made from a good one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A good token in its three parts.
struct Parts {
    header: Value,
    payload: Value,
    signature: String,
}

impl Parts {
    fn of(token: &str) -> Self {
        let mut parts = token.split('.');
        let mut next = || parts.next().expect("a token has three parts");
        let (header, payload, signature) = (decode(next()), decode(next()), next().to_owned());
        Self { header, payload, signature }
    }

    fn to_token(&self) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", encode(&self.header), encode(&self.payload), self.signature)
    }
}

fn decode(part: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// What was forged, and the token: `token` is of the tenant `own`, the forger wants to be `other`.
pub fn all(token: &str, own: &str, other: &str) -> Vec<(&'static str, String)> {
    let (signed, signature) = token.rsplit_once('.').expect("a token has a signature");
    // The first digit: the last one may have bits that count for nothing.
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let mut other_tenant = Parts::of(token);
    let claims = other_tenant.payload.as_object_mut().expect("claims");
    let claim = claims.values_mut().find(|value| **value == own).expect("a claim with the tenant");
    *claim = json!(other);
    let of_algorithm = |name: &str| {
        let mut parts = Parts::of(token);
        parts.header["alg"] = json!(name);
        parts
    };
    let unsigned = |name: &str| Parts { signature: String::new(), ..of_algorithm(name) };
    let mut unsigned_other = unsigned("none");
    unsigned_other.payload = other_tenant.payload.clone();
    vec![
        ("a flipped signature", format!("{signed}.{flipped}{}", &signature[1..])),
        ("no signature", format!("{signed}.")),
        ("two parts", signed.to_owned()),
        ("another tenant", other_tenant.to_token()),
        ("no algorithm", unsigned("none").to_token()),
        ("no algorithm, written otherwise", unsigned("None").to_token()),
        ("no algorithm, and another tenant", unsigned_other.to_token()),
        ("no algorithm, with a signature", of_algorithm("none").to_token()),
        ("a symmetric algorithm", of_algorithm("HS256").to_token()),
    ]
}
