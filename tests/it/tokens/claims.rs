use serde_json::{Value, json};

use super::signing::{TokenBuilder, signed};
use super::{AUDIENCE, ISSUER, Judge, NOW_S, SigningKey, a_token, reason};

/// A judge with one key, which signs the tokens of this file.
async fn a_judge() -> (Judge, SigningKey) {
    let key = SigningKey::ed25519("ed");
    (Judge::trusting(&[key.jwk()]).await, key)
}

async fn assert_refused(name: &str, values: impl IntoIterator<Item = Value>, reason: &str) {
    let (judge, key) = a_judge().await;
    judge.caller(&a_token().signed_by(&key)).await;
    for value in values {
        let token = a_token().claiming(name, value.clone()).signed_by(&key);
        assert_eq!(judge.refusal(&token).await, reason, "{name}: {value}");
    }
}

async fn assert_accepted(tokens: impl IntoIterator<Item = TokenBuilder>) {
    let (judge, key) = a_judge().await;
    for token in tokens {
        judge.caller(&token.signed_by(&key)).await;
    }
}

#[tokio::test]
async fn a_token_is_good_until_the_second_before_its_expiry() {
    assert_accepted([a_token().claiming("exp", json!(NOW_S + 1))]).await;
    assert_refused("exp", [json!(NOW_S), json!(NOW_S - 1), json!(0)], reason::EXPIRED).await;
}

#[tokio::test]
async fn a_token_expires_as_the_clock_moves() {
    let (judge, key) = a_judge().await;
    let token = a_token().claiming("exp", json!(NOW_S + 60)).signed_by(&key);
    judge.app.advance(std::time::Duration::from_millis(59_999));
    judge.caller(&token).await;
    judge.app.advance(std::time::Duration::from_millis(1));
    assert_eq!(judge.refusal(&token).await, reason::EXPIRED);
}

#[tokio::test]
async fn every_claim_that_we_need_must_be_there() {
    let (judge, key) = a_judge().await;
    judge.caller(&a_token().signed_by(&key)).await;
    for claim in ["iss", "aud", "sub", "exp", "tenant"] {
        let token = a_token().without(claim).signed_by(&key);
        assert_eq!(judge.refusal(&token).await, reason::CLAIMS, "{claim}");
        let token = a_token().claiming(claim, Value::Null).signed_by(&key);
        assert_eq!(judge.refusal(&token).await, reason::CLAIMS, "{claim}");
    }
}

#[tokio::test]
async fn an_expiry_that_is_no_instant_is_refused() {
    let values = [
        json!((NOW_S + 3_600).to_string()),
        json!("2026-01-02T00:00:00Z"),
        json!(1e300),
        json!(-1e300),
        json!(u64::MAX),
        json!(i64::MAX),
        json!(-1),
        json!(true),
        json!([NOW_S + 3_600]),
    ];
    assert_refused("exp", values, reason::CLAIMS).await;
    let (judge, key) = a_judge().await;
    let timeless = a_token().without("exp");
    let sign = |member: &str| signed(&timeless.header_for(&key), &timeless.payload_with(member), &key);
    for member in ["\"exp\":NaN", "\"exp\":Infinity", "\"exp\":1e400", "\"exp\":01767229200"] {
        assert_eq!(judge.refusal(&sign(member)).await, reason::CLAIMS, "{member}");
    }
    let caller = judge.caller(&sign("\"exp\":1767229200")).await;
    assert_eq!(caller.expires_at.as_second(), NOW_S + 3_600);
    judge.caller(&sign("\"exp\":1.7672292005e9")).await;
}

#[tokio::test]
async fn the_issuer_s_clock_may_be_half_a_minute_ahead() {
    let valid_from = |seconds: i64| a_token().claiming("nbf", json!(NOW_S + seconds));
    assert_accepted([-3_600, 0, 29, 30].map(valid_from)).await;
    assert_refused("nbf", [json!(NOW_S + 31), json!(NOW_S + 3_000)], reason::NOT_YET_VALID).await;
    assert_refused("nbf", [json!("soon"), json!(1e300), json!({})], reason::CLAIMS).await;
}

#[tokio::test]
async fn another_issuer_is_refused() {
    let others = ["https://id.example.com", "https://id.example.com/ ", "https://ID.example.com/", ""];
    assert_refused("iss", others.map(Value::from), reason::ISSUER).await;
    assert_refused("iss", [json!(5), json!({ISSUER: ISSUER})], reason::CLAIMS).await;
}

/// RFC 7519 §4.1.1: an issuer is one string.
#[tokio::test]
async fn a_list_of_issuers_is_refused() {
    let (judge, key) = a_judge().await;
    for issuers in [json!([ISSUER]), json!(["https://evil.example.com/", ISSUER])] {
        let refusal = judge.refusal(&a_token().claiming("iss", issuers).signed_by(&key)).await;
        assert!([reason::ISSUER, reason::CLAIMS].contains(&refusal), "{refusal}");
    }
}

#[tokio::test]
async fn another_audience_is_refused_and_a_list_that_has_ours_is_not() {
    assert_accepted([
        a_token().claiming("aud", json!([AUDIENCE])),
        a_token().claiming("aud", json!(["billing", AUDIENCE])),
    ])
    .await;
    let others = [json!("billing"), json!(["billing"]), json!([]), json!(""), json!("agent-management ")];
    assert_refused("aud", others, reason::AUDIENCE).await;
    let malformed = [json!(1), json!({AUDIENCE: true}), json!([[AUDIENCE]]), json!([AUDIENCE, 1])];
    assert_refused("aud", malformed, reason::CLAIMS).await;
}

#[tokio::test]
async fn a_subject_is_visible_ascii() {
    assert_accepted(
        ["a", "auth0|5f7c", "ann@example.com", &"u".repeat(128)]
            .map(|subject| a_token().claiming("sub", json!(subject))),
    )
    .await;
    let bad = ["", "ann smith", " ann", "ann\n", "a\u{0}", "a\u{1b}[0m", "a\u{7f}", "änn", &"u".repeat(129)];
    assert_refused("sub", bad.map(Value::from), reason::CLAIMS).await;
    assert_refused("sub", [json!(17), json!(["ann"])], reason::CLAIMS).await;
}

#[tokio::test]
async fn a_tenant_keeps_to_its_alphabet() {
    assert_accepted(
        ["a", "Acme-1", &"t".repeat(64)].map(|tenant| a_token().claiming("tenant", json!(tenant))),
    )
    .await;
    let bad = ["", "a#b", "T#acme", "acme ", "a/b", "a_b", "acmé", "a\u{0}", &"t".repeat(65)];
    assert_refused("tenant", bad.map(Value::from), reason::CLAIMS).await;
    assert_refused("tenant", [json!(17), json!(["acme"]), json!({"id": "acme"})], reason::CLAIMS).await;
}

#[tokio::test]
async fn scopes_are_one_text() {
    assert_refused("scope", [json!(["agents:read"]), json!(1)], reason::CLAIMS).await;
}

#[tokio::test]
async fn a_payload_that_names_a_claim_twice_is_refused() {
    let (judge, key) = a_judge().await;
    let good = a_token();
    let sign = |payload: &str| signed(&good.header_for(&key), payload, &key);
    judge.caller(&sign(&good.payload_with("\"note\":\"once\""))).await;
    for member in ["\"sub\":\"bob\"", "\"sub\":\"ann\"", "\"exp\":1767229200", "\"scope\":\"agents:publish\""]
    {
        let refusal = judge.refusal(&sign(&good.payload_with(member))).await;
        assert_eq!(refusal, reason::CLAIMS, "{member}");
    }
    for (member, other) in [("iss", "https://evil.example.com/"), ("aud", "billing")] {
        let refusal = judge.refusal(&sign(&good.payload_with(&format!("\"{member}\":\"{other}\"")))).await;
        assert_eq!(refusal, reason::CLAIMS, "{member}");
    }
}

#[tokio::test]
async fn a_payload_that_is_no_object_is_refused() {
    let (judge, key) = a_judge().await;
    let good = a_token();
    let positional = json!(["ann", NOW_S + 3_600, null, "agents:read", {"tenant": "acme"}]).to_string();
    let nested = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let deep = good.payload_with(&format!("\"deep\":{nested}"));
    let doubled = good.payload().repeat(2);
    for payload in ["", "null", "\"ann\"", "{", &positional, &deep, &doubled, "\u{feff}{}"] {
        let refusal = judge.refusal(&signed(&good.header_for(&key), payload, &key)).await;
        assert_eq!(refusal, reason::CLAIMS, "{payload}");
    }
    judge.caller(&signed(&good.header_for(&key), &format!(" {}\n", good.payload()), &key)).await;
}
