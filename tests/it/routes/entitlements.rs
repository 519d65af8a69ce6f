use agent_management::tier::LimitName;
use harness::{App, an_agent};
use insta::assert_snapshot;

#[tokio::test]
async fn tiers_and_models_are_lists() {
    let app = App::start().await;
    assert_snapshot!("tiers", app.client().get("/v1/tiers").send().await);
    assert_snapshot!("models", app.client().get("/v1/models").send().await);
}

#[tokio::test]
async fn entitlements_show_the_limits_in_force() {
    let app = App::start().await;
    app.set_tier("acme", "pro", [(LimitName::Agents, Some(7)), (LimitName::RequestsPerMinute, None)].into())
        .await;
    assert_snapshot!(app.client().get("/v1/entitlements").send().await);
}

#[tokio::test]
async fn usage_counts_the_agents_in_use() {
    let app = App::start().await;
    assert_snapshot!("none", app.client().get("/v1/usage").send().await);
    for _ in 0..3 {
        app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    assert_snapshot!("three", app.client().get("/v1/usage").send().await);
    app.set_tier("acme", "free", [(LimitName::Agents, Some(0))].into()).await;
    let over = app.client().get("/v1/usage").send().await.expect(200);
    assert_eq!(over.json()["agents"]["percent"], 100);
}
