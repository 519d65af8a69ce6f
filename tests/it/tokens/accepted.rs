use agent_management::http::caller::Caller;
use agent_management::tenant;
use agent_management::tier::{Entitlements, LimitName, Overrides};
use jiff::Timestamp;
use serde_json::json;

use super::{Judge, NOW_S, Provider, SigningKey, a_token, reason};

fn ann_of_acme(entitlements: Entitlements) -> Caller {
    Caller {
        tenant: "acme".parse().expect("a tenant"),
        user: "ann".parse().expect("a user"),
        scopes: "agents:read agents:write".to_owned(),
        expires_at: Timestamp::from_second(NOW_S + 3_600).expect("an instant"),
        entitlements,
    }
}

fn free() -> Entitlements {
    Entitlements { tier: "free".to_owned(), overrides: Overrides::new(), rev: 0 }
}

#[tokio::test]
async fn a_good_token_of_each_algorithm_gives_the_caller() {
    let provider = Provider::new();
    let judge = Judge::trusting(&provider.jwks()).await;
    for key in provider.all() {
        let caller = judge.caller(&a_token().signed_by(key)).await;
        assert_eq!(caller, ann_of_acme(free()), "{}", key.algorithm);
    }
}

#[tokio::test]
async fn the_tier_is_the_one_of_the_tenant_s_record() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    let overrides: Overrides = [(LimitName::Agents, Some(7))].into();
    let acme = "acme".parse().expect("a tenant");
    judge.app.host.entitle(&acme, "pro", &overrides).await.expect("written");
    let pro = Entitlements { tier: "pro".to_owned(), overrides, rev: 1 };
    assert_eq!(judge.caller(&a_token().signed_by(&key)).await, ann_of_acme(pro));
    let other = judge.caller(&a_token().claiming("tenant", json!("other")).signed_by(&key)).await;
    assert_eq!(other.entitlements, free());
}

#[tokio::test]
async fn a_record_that_only_counts_leaves_the_tenant_on_the_lowest_tier() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    let agent = harness::an_agent().build();
    judge.app.client().post("/v1/agents", &agent).send().await.expect(201);
    let acme = "acme".parse().expect("a tenant");
    let record = tenant::store::get(&judge.app.host.store, &acme).await.expect("read").expect("a record");
    assert_eq!((record.agents_used, record.entitlements), (1, None));
    assert_eq!(judge.caller(&a_token().signed_by(&key)).await, ann_of_acme(free()));
}

#[tokio::test]
async fn a_token_without_scopes_may_do_nothing() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    assert_eq!(judge.caller(&a_token().without("scope").signed_by(&key)).await.scopes, "");
}

#[tokio::test]
async fn a_token_that_names_no_key_is_good_by_the_only_key_there_is() {
    let (key, other) = (SigningKey::ed25519("ed"), SigningKey::ed25519("other"));
    let token = a_token().without_kid().signed_by(&key);
    let one = Judge::trusting(&[key.jwk()]).await;
    assert_eq!(one.caller(&token).await, ann_of_acme(free()));
    let two = Judge::trusting(&[key.jwk(), other.jwk()]).await;
    assert_eq!(two.refusal(&token).await, reason::UNKNOWN_KEY);
    two.caller(&a_token().signed_by(&key)).await;
    let none = Judge::trusting(&[]).await;
    assert_eq!(none.refusal(&token).await, reason::UNKNOWN_KEY);
}

#[tokio::test]
async fn a_token_that_names_another_key_is_not_good_by_the_only_key_there_is() {
    let key = SigningKey::ed25519("ed");
    let judge = Judge::trusting(&[key.jwk()]).await;
    for kid in ["other", "", "ED", "ed "] {
        let token = a_token().headed("kid", json!(kid)).signed_by(&key);
        assert_eq!(judge.refusal(&token).await, reason::UNKNOWN_KEY, "{kid:?}");
    }
    judge.caller(&a_token().headed("kid", json!("ed")).signed_by(&key)).await;
}
