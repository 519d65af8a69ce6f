use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use super::signing::{decode, encode, parts, signed};
use super::{Judge, Provider, SigningKey, a_token, reason};

/// A public key and a token that it signed.
const RSA_1024: &str = include_str!("../../fixtures/rsa-1024.json");

#[tokio::test]
async fn a_token_without_algorithm_is_refused() {
    let provider = Provider::new();
    let judge = Judge::trusting(&provider.jwks()).await;
    for key in provider.all() {
        let good = a_token().signed_by(key);
        judge.caller(&good).await;
        let [_, payload, signature] = parts(&good);
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "none", "kid": key.kid}),
            json!({"alg": "None", "kid": key.kid}),
            json!({"alg": "NONE", "kid": key.kid}),
            json!({"alg": "", "kid": key.kid}),
            json!({"alg": null, "kid": key.kid}),
            json!({"kid": key.kid}),
        ] {
            let header = header.to_string();
            let unsigned = format!("{}.{payload}.", encode(&header));
            assert_eq!(judge.refusal(&unsigned).await, reason::ALGORITHM, "{header}");
            let with_another_s = format!("{unsigned}{signature}");
            assert_eq!(judge.refusal(&with_another_s).await, reason::ALGORITHM, "{header}");
            let with_its_own = signed(&header, &a_token().payload(), key);
            assert_eq!(judge.refusal(&with_its_own).await, reason::ALGORITHM, "{header}");
        }
    }
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let provider = Provider::new();
    let judge = Judge::trusting(&provider.jwks()).await;
    let pkcs1 = SigningKey::rsa_public_der();
    // The header of a public key as X.509 has it: RSA, and the length of what follows.
    let mut spki = decode("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A");
    spki.extend(&pkcs1);
    let lines: Vec<_> = STANDARD.encode(&spki).as_bytes().chunks(64).map(<[u8]>::to_vec).collect();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        String::from_utf8(lines.join(&b'\n')).expect("base64 is ASCII")
    );
    let mut point = vec![4];
    point.extend(provider.ec.public_bytes("x"));
    point.extend(provider.ec.public_bytes("y"));
    let secrets: [(&'static str, Vec<u8>); 10] = [
        ("rsa", provider.rsa.public_bytes("n")),
        ("rsa", encode(provider.rsa.public_bytes("n")).into_bytes()),
        ("rsa", pkcs1),
        ("rsa", spki),
        ("rsa", pem.trim_end().to_owned().into_bytes()),
        ("rsa", pem.into_bytes()),
        ("ed", provider.ed.public_bytes("x")),
        ("ed", encode(provider.ed.public_bytes("x")).into_bytes()),
        ("ec", point),
        ("ec", Vec::new()),
    ];
    for (kid, secret) in secrets {
        let forger = SigningKey::secret(kid, &secret);
        assert_eq!(judge.refusal(&a_token().signed_by(&forger)).await, reason::ALGORITHM, "{kid}");
        // The same bytes as if the algorithm were the key's own.
        let own = provider.all().into_iter().find(|key| key.kid == kid).expect("a key");
        let disguised = a_token().headed("alg", json!(own.algorithm));
        assert_eq!(judge.refusal(&disguised.signed_by(&forger)).await, reason::SIGNATURE, "{kid}");
        judge.caller(&disguised.signed_by(own)).await;
    }
}

#[tokio::test]
async fn a_shared_secret_in_the_key_set_is_no_key() {
    let secret = SigningKey::secret("shared", b"a secret of thirty-two characters");
    for jwk in [secret.jwk(), secret.jwk_without("alg"), secret.jwk_with("alg", json!("EdDSA"))] {
        let judge = Judge::trusting(&[jwk]).await;
        for algorithm in ["HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"] {
            let token = a_token().headed("alg", json!(algorithm)).signed_by(&secret);
            assert_eq!(judge.refusal(&token).await, reason::ALGORITHM, "{algorithm}");
        }
    }
}

#[tokio::test]
async fn an_algorithm_takes_its_own_kind_of_key_only() {
    let provider = Provider::new();
    let judge = Judge::trusting(&provider.jwks()).await;
    for signer in provider.all() {
        for named in provider.all() {
            let under_its_kid = a_token().headed("kid", json!(named.kid)).signed_by(signer);
            let by_its_name = a_token().headed("alg", json!(named.algorithm)).signed_by(signer);
            if signer.kid == named.kid {
                judge.caller(&under_its_kid).await;
                judge.caller(&by_its_name).await;
            } else {
                assert_eq!(judge.refusal(&under_its_kid).await, reason::ALGORITHM);
                assert_eq!(judge.refusal(&by_its_name).await, reason::ALGORITHM);
            }
        }
    }
}

#[tokio::test]
async fn other_algorithms_of_the_same_families_are_refused() {
    let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
    let p384 = SigningKey::ec("p384", "ES384", "P-384", algorithm, &SigningKey::ec_pkcs8(algorithm));
    let rsa = SigningKey::rsa_2048("rsa");
    let judge = Judge::trusting(&[rsa.jwk(), p384.jwk()]).await;
    judge.caller(&a_token().signed_by(&rsa)).await;
    for key in [
        SigningKey::rsa("rsa", "RS384", &RSA_PKCS1_SHA384),
        SigningKey::rsa("rsa", "RS512", &RSA_PKCS1_SHA512),
        SigningKey::rsa("rsa", "PS256", &RSA_PSS_SHA256),
        p384,
    ] {
        // Each key set has the key, with and without its algorithm.
        for jwk in [key.jwk(), key.jwk_without("alg")] {
            let judge = Judge::trusting(&[jwk]).await;
            assert_eq!(judge.refusal(&a_token().signed_by(&key)).await, reason::ALGORITHM);
        }
        assert_eq!(judge.refusal(&a_token().signed_by(&key)).await, reason::ALGORITHM, "{}", key.algorithm);
        let renamed = |name: &str| a_token().headed("alg", json!(name)).signed_by(&key);
        let as_ours = renamed(if key.kid == "rsa" { "RS256" } else { "ES256" });
        let expected = if key.kid == "rsa" { reason::SIGNATURE } else { reason::ALGORITHM };
        assert_eq!(judge.refusal(&as_ours).await, expected, "{}", key.algorithm);
    }
    for name in ["HS384", "HS512", "PS384", "PS512", "ES512", "ES256K", "rs256", "RS256 ", "Ed448"] {
        let token = a_token().headed("alg", json!(name)).signed_by(&rsa);
        assert_eq!(judge.refusal(&token).await, reason::ALGORITHM, "{name}");
    }
}

#[tokio::test]
async fn a_changed_payload_or_header_is_refused() {
    let provider = Provider::new();
    let judge = Judge::trusting(&provider.jwks()).await;
    for key in provider.all() {
        let ours = a_token().signed_by(key);
        let theirs = a_token().claiming("tenant", json!("other")).signed_by(key);
        judge.caller(&ours).await;
        judge.caller(&theirs).await;
        let ([header, payload, signature], [_, other_payload, _]) = (parts(&ours), parts(&theirs));
        let respelled = encode(format!("{} ", a_token().payload()));
        for changed in [other_payload, &respelled] {
            let token = format!("{header}.{changed}.{signature}");
            assert_eq!(judge.refusal(&token).await, reason::SIGNATURE, "{}", key.algorithm);
        }
        let other_header = encode(a_token().headed("typ", json!("at+jwt")).header_for(key));
        let token = format!("{other_header}.{payload}.{signature}");
        assert_eq!(judge.refusal(&token).await, reason::SIGNATURE, "{}", key.algorithm);
        judge.caller(&a_token().headed("typ", json!("at+jwt")).signed_by(key)).await;
    }
}

#[tokio::test]
async fn a_changed_signature_is_refused() {
    let provider = Provider::new();
    let judge = Judge::trusting(&provider.jwks()).await;
    for key in provider.all() {
        let good = a_token().signed_by(key);
        judge.caller(&good).await;
        let [header, payload, signature] = parts(&good);
        let signature = decode(signature);
        let mut changed: Vec<Vec<u8>> = Vec::new();
        for index in [0, 1, signature.len() / 2, signature.len() - 1] {
            let mut flipped = signature.clone();
            flipped[index] ^= 1;
            changed.push(flipped);
        }
        changed.push(Vec::new());
        changed.push(vec![0; signature.len()]);
        changed.push(vec![0xff; signature.len()]);
        changed.push(signature[..signature.len() - 1].to_vec());
        changed.push(signature.iter().copied().chain([0]).collect());
        changed.push([0].into_iter().chain(signature.iter().copied()).collect());
        for bytes in changed {
            let token = format!("{header}.{payload}.{}", encode(&bytes));
            assert_eq!(judge.refusal(&token).await, reason::SIGNATURE, "{} {bytes:?}", key.algorithm);
        }
        judge.caller(&format!("{header}.{payload}.{}", encode(&signature))).await;
    }
}

#[tokio::test]
async fn an_es256_signature_as_der_is_refused() {
    let pkcs8 = SigningKey::ec_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let fixed = SigningKey::ec("ec", "ES256", "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8);
    let der = SigningKey::ec("ec", "ES256", "P-256", &ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8);
    assert_eq!(fixed.jwk(), der.jwk());
    let judge = Judge::trusting(&[fixed.jwk()]).await;
    judge.caller(&a_token().signed_by(&fixed)).await;
    assert_eq!(judge.refusal(&a_token().signed_by(&der)).await, reason::SIGNATURE);
}

#[tokio::test]
async fn an_rsa_key_of_1024_bits_is_refused() {
    let fixture: Value = serde_json::from_str(RSA_1024).expect("the fixture is JSON");
    let (jwk, token) = (&fixture["jwk"], fixture["token"].as_str().expect("a token"));
    let [header, payload, signature] = parts(token);
    // Nothing is wrong with the token but its key's size: the signature is the key's ...
    let member = |name: &str| decode(jwk[name].as_str().expect("a text"));
    assert_eq!(member("n").len(), 128);
    RsaPublicKeyComponents { n: member("n"), e: member("e") }
        .verify(
            &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            format!("{header}.{payload}").as_bytes(),
            &decode(signature),
        )
        .expect("the fixture's signature is good");
    let rsa = SigningKey::rsa_2048("rsa");
    let judge = Judge::trusting(&[jwk.clone(), rsa.jwk()]).await;
    // ... and the same payload is good under a greater key.
    let payload = String::from_utf8(decode(payload)).expect("JSON is UTF-8");
    judge.caller(&signed(&a_token().header_for(&rsa), &payload, &rsa)).await;
    assert_eq!(judge.refusal(token).await, reason::SIGNATURE);
}

#[tokio::test]
async fn a_key_for_another_use_is_refused() {
    for key in Provider::new().all() {
        let token = a_token().signed_by(key);
        for other in ["enc", "SIG", ""] {
            let judge = Judge::trusting(&[key.jwk_with("use", json!(other))]).await;
            assert_eq!(judge.refusal(&token).await, reason::ALGORITHM, "{other:?}");
        }
        for good in [key.jwk(), key.jwk_without("use"), key.jwk_with("use", json!("sig"))] {
            Judge::trusting(&[good]).await.caller(&token).await;
        }
    }
}

#[tokio::test]
async fn a_key_whose_algorithm_contradicts_its_kind_is_refused() {
    let names = ["RS256", "ES256", "EdDSA", "HS256", "RS384", "PS256", "ES384", "RSA-OAEP", "unknown"];
    for key in Provider::new().all() {
        for name in names {
            let judge = Judge::trusting(&[key.jwk_with("alg", json!(name))]).await;
            let [token, renamed] = [key.algorithm, name]
                .map(|algorithm| a_token().headed("alg", json!(algorithm)).signed_by(key));
            if name == key.algorithm {
                judge.caller(&token).await;
            } else {
                assert_eq!(judge.refusal(&token).await, reason::ALGORITHM, "{} {name}", key.algorithm);
                assert_eq!(judge.refusal(&renamed).await, reason::ALGORITHM, "{} {name}", key.algorithm);
            }
        }
        Judge::trusting(&[key.jwk_without("alg")]).await.caller(&a_token().signed_by(key)).await;
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_used_does_not_spoil_the_others() {
    let (key, p256) = (SigningKey::ed25519("ed"), SigningKey::p256("ec"));
    let odd = [
        json!({"kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "pub": "AAAA"}),
        json!({"kty": "OKP", "kid": "x", "crv": "X25519", "x": encode([7; 32])}),
        json!({"kty": "RSA", "kid": "half", "n": "AQAB"}),
        p256.jwk_with("x", json!("not base64!")),
    ];
    let judge = Judge::trusting(&[&odd[..], &[key.jwk()]].concat()).await;
    judge.caller(&a_token().signed_by(&key)).await;
    for kid in ["new", "x", "half"] {
        let token = a_token().headed("kid", json!(kid)).signed_by(&key);
        assert_eq!(judge.refusal(&token).await, reason::ALGORITHM, "{kid}");
    }
    assert_eq!(judge.refusal(&a_token().signed_by(&p256)).await, reason::UNKNOWN_KEY);
}
