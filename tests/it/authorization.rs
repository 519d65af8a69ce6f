//! Who may call: the authorizer through the gateway, and what the functions check themselves.

use std::time::Duration;

use agent_management::http::routes::{Access, all};
use harness::{App, an_agent};
use http::Method;
use insta::assert_snapshot;
use local::issuer::TokenRequest;

fn a_path(template: &str) -> String {
    template
        .replace("{id}", "agt_00000000000000000000000000")
        .replace("{code}", "not_found")
        .replace("{key}", "a-key")
        .replace("{tool_id}", "a-tool")
        .replace("{version}", "1")
        .replace("{alias}", "live")
        .replace("{approval_id}", "apv_00000000000000000000000000")
}

#[tokio::test]
async fn every_route_but_the_public_ones_needs_a_token_and_its_scope() {
    let app = App::start().await;
    let no_scope =
        TokenRequest { scopes: Some(vec!["other:read".to_owned()]), ..TokenRequest::for_tenant("acme") };
    for route in all() {
        let method: Method = route.method.as_str().parse().expect("a method");
        let anyone = app.client_sending(None).request(method.clone(), &a_path(route.path)).send().await;
        match route.access {
            Access::Public => assert_eq!(anyone.status, 200, "{}", route.path),
            Access::Scope(scope) => {
                assert_eq!(anyone.expect(401).text("/code"), "unauthorized");
                let answer = app.client_with(&no_scope).request(method, &a_path(route.path)).send().await;
                let detail = answer.expect(403).text("/detail");
                assert!(detail.contains(scope.as_str()), "{detail}");
            }
        }
    }
}

#[tokio::test]
async fn tokens_that_are_not_good_are_refused_alike() {
    let app = App::start().await;
    let good = app.host.issuer.token(&TokenRequest::for_tenant("acme"), app.clock.now());
    let expired = TokenRequest { ttl_s: Some(0), ..TokenRequest::for_tenant("acme") };
    let expired = app.host.issuer.token(&expired, app.clock.now());
    let tampered = good.replace('.', "A.");
    let bad_tenant = app.host.issuer.token(&TokenRequest::for_tenant("a#b"), app.clock.now());
    let mut answers = Vec::new();
    for authorization in [
        format!("Bearer {expired}"),
        format!("Bearer {tampered}"),
        format!("Bearer {bad_tenant}"),
        format!("Basic {good}"),
        good,
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {}", "a".repeat(9_000)),
    ] {
        answers.push(
            app.client_sending(Some(&authorization)).get("/v1/agents").send().await.expect(401).to_string(),
        );
    }
    assert_snapshot!(answers[0]);
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn a_token_that_expires_while_the_gateway_remembers_it_is_refused() {
    let app = App::start().await;
    let client = app.client_with(&TokenRequest { ttl_s: Some(30), ..TokenRequest::for_tenant("acme") });
    client.get("/v1/agents").send().await.expect(200);
    app.advance(Duration::from_secs(30));
    assert_snapshot!(client.get("/v1/agents").send().await);
}

#[tokio::test]
async fn a_tenant_s_calls_name_its_own_partitions_only() {
    let app = App::start().await;
    app.client_of("acme2").post("/v1/agents", &an_agent().build()).send().await.expect(201);
    app.recorder.take();
    let client = app.client();
    let created = client.post("/v1/agents", &an_agent().keyed("k").build()).send().await.expect(201);
    client.get(created.header("location").expect("a location")).send().await.expect(200);
    client.post("/v1/agents", &an_agent().build()).send().await.expect(201);
    let page = client.get("/v1/agents?limit=1").send().await.expect(200).json();
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    client.get(&format!("/v1/agents?cursor={cursor}")).send().await.expect(200);
    let partitions: Vec<_> = app.recorder.take().into_iter().flat_map(|call| call.partitions).collect();
    assert!(partitions.len() > 8, "{partitions:?}");
    for partition in partitions {
        let is_own = partition == "T#acme" || partition.starts_with("T#acme#");
        assert!(is_own || partition.starts_with("TEN#"), "{partition}");
    }
}
