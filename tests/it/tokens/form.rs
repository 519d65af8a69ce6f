use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE};
use serde_json::json;

use super::signing::{decode, encode, parts, signed, signed_message};
use super::{Judge, Provider, SigningKey, a_token, reason};

#[tokio::test]
async fn a_token_with_critical_headers_is_refused() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    for critical in [json!(["exp"]), json!(["b64"]), json!([])] {
        let token = a_token().headed("b64", json!(true)).headed("crit", critical.clone()).signed_by(&key);
        assert_eq!(judge.refusal(&token).await, reason::CRITICAL, "{critical}");
    }
    judge.caller(&a_token().headed("b64", json!(true)).signed_by(&key)).await;
}

#[tokio::test]
async fn a_token_that_brings_or_names_its_own_key_is_refused_even_if_ours_signed_it() {
    let provider = Provider::new();
    let judge = Judge::trusting(&provider.jwks()).await;
    for key in provider.all() {
        for (name, value) in [
            ("jku", json!("https://id.example.com/keys")),
            ("x5u", json!("https://id.example.com/chain")),
            ("jwk", key.jwk()),
            ("x5c", json!(["MIIB"])),
            ("x5c", json!([])),
        ] {
            let token = a_token().headed(name, value.clone()).signed_by(key);
            assert_eq!(judge.refusal(&token).await, reason::OWN_KEY, "{name}: {value}");
        }
        for name in ["x5t", "x5t#S256", "cty", "note"] {
            judge.caller(&a_token().headed(name, json!("text")).signed_by(key)).await;
        }
    }
}

#[tokio::test]
async fn a_token_signed_with_the_key_that_it_brings_is_refused() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    let forger = SigningKey::ed25519("ed");
    let token = a_token().headed("jwk", forger.jwk()).signed_by(&forger);
    assert_eq!(judge.refusal(&token).await, reason::OWN_KEY);
    assert_eq!(judge.refusal(&a_token().signed_by(&forger)).await, reason::SIGNATURE);
    judge.caller(&a_token().signed_by(&key)).await;
}

#[tokio::test]
async fn a_token_of_more_than_8_kib_is_refused() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    let padded = |bytes: usize| a_token().claiming("note", json!("x".repeat(bytes))).signed_by(&key);
    // Base64 makes four bytes of three: the longest that still fits.
    let fitting = (5_800..6_000).rev().map(padded).find(|token| token.len() <= 8_192).expect("one fits");
    assert!(fitting.len() > 8_188, "{}", fitting.len());
    judge.caller(&fitting).await;
    let just_over = (5_800..6_000).map(padded).find(|token| token.len() > 8_192).expect("one is over");
    assert!(just_over.len() < 8_197, "{}", just_over.len());
    assert_eq!(judge.refusal(&just_over).await, reason::MALFORMED);
    let far_over = padded(6_500);
    assert!(far_over.len() >= 9_000, "{}", far_over.len());
    assert_eq!(judge.refusal(&far_over).await, reason::MALFORMED);
}

#[tokio::test]
async fn a_token_has_three_parts() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    let token = a_token().signed_by(&key);
    judge.caller(&token).await;
    let [header, payload, signature] = parts(&token);
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{header}{payload}.{signature}"),
        format!(".{token}"),
        format!("{token}."),
        format!("{token}.{signature}"),
        format!("{header}.{token}"),
        format!("{header}.{payload}.{payload}.{payload}.{signature}"),
        format!("{token} {token}"),
        format!("{token},{token}"),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{payload}."),
    ] {
        judge.refusal(&bad).await;
    }
}

#[tokio::test]
async fn each_part_is_base64url_without_padding() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    // A text whose base64 has a character in which the alphabets differ.
    let builder = a_token().claiming("note", json!("??????"));
    let (header, payload) = (builder.header_for(&key), builder.payload());
    let token = signed(&header, &payload, &key);
    judge.caller(&token).await;
    let [good_header, good_payload, good_signature] = parts(&token);
    let standard = STANDARD_NO_PAD.encode(&payload);
    assert!(standard.contains('/'), "{standard}");
    // Padded with spaces to a length whose base64 has padding.
    let payload_to_pad = format!("{payload}{}", " ".repeat(4 - payload.len() % 3));
    let padded = URL_SAFE.encode(&payload_to_pad);
    assert!(padded.ends_with('='), "{padded}");
    judge.caller(&signed_message(&format!("{good_header}.{}", padded.trim_end_matches('=')), &key)).await;
    for message in [
        format!("{good_header}.{standard}"),
        format!("{good_header}.{padded}"),
        format!("{good_header}.{good_payload}!"),
        format!("{good_header}.!{good_payload}"),
        format!("!{good_header}.{good_payload}"),
        format!("{good_header}\n.{good_payload}"),
        format!("{header}.{payload}"),
    ] {
        let refusal = judge.refusal(&signed_message(&message, &key)).await;
        assert_eq!(refusal, reason::MALFORMED, "{message}");
    }
    for signature in [
        URL_SAFE.encode(decode(good_signature)),
        format!("{good_signature} "),
        format!("{good_signature}!"),
        format!("{}+/", &good_signature[2..]),
    ] {
        let refusal = judge.refusal(&format!("{good_header}.{good_payload}.{signature}")).await;
        assert_eq!(refusal, reason::MALFORMED, "{signature}");
    }
}

#[tokio::test]
async fn a_signature_has_one_spelling() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    let token = a_token().signed_by(&key);
    judge.caller(&token).await;
    let (rest, last) = token.split_at(token.len() - 1);
    // 64 bytes leave four bits of the last character unused, so that 16 characters end alike.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for other in alphabet.chars().map(String::from).filter(|other| other != last) {
        judge.refusal(&format!("{rest}{other}")).await;
    }
}

#[tokio::test]
async fn a_header_that_is_no_object_of_the_known_form_is_refused() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    let payload = a_token().payload();
    for header in [
        "",
        "null",
        "[]",
        "[\"JWT\",\"EdDSA\"]",
        "{\"alg\":\"EdDSA\",\"kid\":5}",
        "{\"alg\":[\"EdDSA\"],\"kid\":\"ed\"}",
        "{\"kid\":\"ed\"}",
        "{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"other\",\"kid\":\"ed\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"crit\":\"exp\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"jwk\":\"text\"}",
    ] {
        judge.refusal(&signed(header, &payload, &key)).await;
    }
    judge.caller(&signed("{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", &payload, &key)).await;
}

#[tokio::test]
async fn the_header_names_the_bearer_scheme() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    let token = a_token().signed_by(&key);
    for good in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER  {token}")] {
        judge.authorizer.identify(&good).await.expect("let in");
    }
    for bad in [
        String::new(),
        token.clone(),
        format!("Bearer{token}"),
        format!("Bearer\t{token}"),
        format!("Basic {token}"),
        format!("Bearer: {token}"),
        format!(" Bearer {token}"),
        format!("Bearer Bearer {token}"),
        format!("Bearer {}", encode(&token)),
    ] {
        judge.authorizer.identify(&bad).await.expect_err(&bad);
    }
}
