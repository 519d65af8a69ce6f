//! What a tier admits: exactly as many agents as it says, whoever else asks at the same moment.

use futures_util::future::join_all;
use harness::an_agent;
use serde_json::json;

use super::{Case, case};
use crate::client::Client;
use crate::context::{Context, eventually};

const AGENTS_MAX: u64 = 5;

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_free_tenant_cannot_create_a_sixth_agent),
        case!(of_creations_at_once_one_takes_the_last_place),
        case!(restoring_needs_a_place),
        case!(a_higher_tier_admits_more).on_another_tier(),
    ]
}

async fn create(client: &Client, count: u64) {
    for _ in 0..count {
        client.create(&an_agent().build()).await;
    }
}

async fn a_free_tenant_cannot_create_a_sixth_agent(context: &Context) {
    let client = context.client().await;
    create(&client, AGENTS_MAX).await;
    let refused = client.post("/v1/agents", &an_agent().build()).send().await;
    let violation = refused.problem(403, "entitlement_exceeded")["errors"][0].clone();
    assert_eq!((&violation["code"], &violation["limit"]), (&json!("agents_limit"), &json!(AGENTS_MAX)));
    assert_eq!((&violation["current"], &violation["min_tier"]), (&json!(AGENTS_MAX), &json!("pro")));
    let upsert = client.put("/v1/agents/by-key/sixth", &an_agent().build()).send().await;
    upsert.problem(403, "entitlement_exceeded");
    let usage = client.get("/v1/usage").send().await.expect(200).json();
    assert_eq!(
        usage["agents"],
        json!({"used": AGENTS_MAX, "limit": AGENTS_MAX, "percent": 100, "level": "reached"})
    );
    create(&context.client().await, 1).await;
}

async fn of_creations_at_once_one_takes_the_last_place(context: &Context) {
    let client = context.client().await;
    create(&client, AGENTS_MAX - 1).await;
    let racers = (0..8).map(|racer| {
        let document = an_agent().named(&format!("Racer {racer}")).build();
        let key = format!("racer-{racer}");
        client.post("/v1/agents", &document).header("idempotency-key", &key).send_until_answered()
    });
    let answers = join_all(racers).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for loser in answers.iter().filter(|answer| answer.status != 201) {
        loser.problem(403, "entitlement_exceeded");
    }
    assert_eq!(client.used().await, AGENTS_MAX);
    eventually("all of them in the list", async || {
        let rows = client.get("/v1/agents").send().await.expect(200).items();
        (rows.len() as u64 == AGENTS_MAX).then_some(())
    })
    .await;
}

async fn restoring_needs_a_place(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    client.request("POST", &format!("{path}/archive")).send().await.expect(200);
    create(&client, AGENTS_MAX).await;
    let restore = || client.request("POST", &format!("{path}/restore")).send();
    let refused = restore().await;
    assert_eq!(refused.problem(403, "entitlement_exceeded")["errors"][0]["code"], "agents_limit");
    let rows = eventually("a list of all", async || {
        let rows = client.get("/v1/agents?fields=id,status").send().await.expect(200).items();
        (rows.len() as u64 == AGENTS_MAX + 1).then_some(rows)
    })
    .await;
    let active = rows.iter().find(|row| row["status"] == "active").expect("an active one");
    let other = format!("/v1/agents/{}", active["id"].as_str().expect("an id"));
    client.delete(&other).send().await.expect(204);
    restore().await.expect(200);
    assert_eq!(client.used().await, AGENTS_MAX);
}

async fn a_higher_tier_admits_more(context: &Context) {
    let client = context.client().await;
    let document = an_agent().on_model("anthropic", "claude-sonnet-4-5").with_tools(6).build();
    let refused = client.post("/v1/agents", &document).send().await;
    assert_eq!(refused.problem(403, "entitlement_exceeded")["errors"][0]["min_tier"], "pro");
    context.set_tier(&client.tenant, "pro").await;
    create(&client, AGENTS_MAX).await;
    client.create(&document).await;
    let entitlements = client.get("/v1/entitlements").send().await.expect(200).json();
    assert_eq!((&entitlements["tier"], &entitlements["limits"]["agents"]), (&json!("pro"), &json!(100)));
}
