//! The reconciler: what the stream lost is announced, what it did not lose is left alone.

use std::time::Duration;

use harness::{App, an_agent};
use http::Method;
use local::table::TABLE_NAME;
use serde_json::{Value, json};

async fn reconcile(app: &App) -> Value {
    let event = json!({"source": "aws.scheduler", "detail-type": "Scheduled Event"});
    app.host.stream_fanout.handle(event).await.expect("it runs")
}

async fn events(app: &App) -> Vec<(String, u64)> {
    let page = app.client().get("/v1/events?limit=100").send().await.expect(200).json();
    let items = page["items"].as_array().expect("items").iter();
    items
        .map(|item| {
            (
                item["type"].as_str().unwrap_or_default().to_owned(),
                item["data"]["rev"].as_u64().unwrap_or_default(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_change_that_the_stream_lost_is_announced_once() {
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    let announced = app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    app.settle().await;
    let lost = app.client().post("/v1/agents", &an_agent().named("Lost").build()).send().await.expect(201);
    let path = lost.header("location").expect("a location").to_owned();
    let patch = app.client().request(Method::PATCH, &path).json(&json!({"name": "Lost twice"}));
    patch
        .header("content-type", "application/merge-patch+json")
        .header("if-match", "*")
        .send()
        .await
        .expect(200);

    assert_eq!(
        reconcile(&app).await,
        json!({"agents": 0, "resynced": 0, "told": 0}),
        "the stream may still bring it"
    );
    app.advance(Duration::from_hours(13));
    assert_eq!(reconcile(&app).await, json!({"agents": 2, "resynced": 1, "told": 0}));
    assert_eq!(reconcile(&app).await, json!({"agents": 2, "resynced": 0, "told": 0}), "announced once");
    let audit = app.client().get(&format!("{path}/audit")).send().await.expect(200).json();
    assert_eq!(
        (&audit["items"][0]["type"], &audit["items"][0]["rev"]),
        (&json!("agent.resynced"), &json!(2))
    );
    let expected = [("agent.created".to_owned(), 1), ("agent.resynced".to_owned(), 2)];
    assert_eq!(events(&app).await, expected, "the other agent's is as it was");
    assert_eq!(announced.json()["rev"], 1);
}

#[tokio::test]
async fn a_change_that_is_only_late_is_not_announced_twice() {
    let app = App::start().await;
    app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    app.advance(Duration::from_hours(14));
    assert_eq!(reconcile(&app).await["resynced"], 1);
    app.settle().await;
    assert_eq!(events(&app).await, [("agent.resynced".to_owned(), 1)]);
}

#[tokio::test]
async fn a_log_that_is_quiet_for_long_goes_on_where_it_ended() {
    let app = App::start().await;
    app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    app.settle().await;
    let ends_at = || {
        let request = json!({
            "TableName": TABLE_NAME,
            "KeyConditionExpression": "PK = :log",
            "ExpressionAttributeValues": {":log": {"S": "T#acme#E"}},
        });
        let (_, answer) = app.host.engine.call("Query", &request.to_string());
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let ttl: i64 =
            answer["Items"][0]["ttl"]["N"].as_str().and_then(|ttl| ttl.parse().ok()).expect("a ttl");
        ttl - app.clock.now().as_second()
    };
    let day_s = 24 * 3_600;
    assert_eq!(ends_at(), 31 * day_s);
    for _ in 0..40 {
        app.advance(Duration::from_hours(24));
        reconcile(&app).await;
        assert!(ends_at() >= 9 * day_s, "{}", ends_at());
    }
}

#[tokio::test]
async fn an_event_whose_audit_row_alone_is_missing_is_not_announced_again() {
    let app = App::start().await;
    let id = app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201).text("/id");
    app.settle().await;
    let request = json!({
        "TableName": TABLE_NAME,
        "Key": {"PK": {"S": format!("T#acme#A#{id}")}, "SK": {"S": "R#000000000001"}},
    });
    assert_eq!(app.host.engine.call("DeleteItem", &request.to_string()).0, 200);
    app.advance(Duration::from_hours(14));
    reconcile(&app).await;
    assert_eq!(events(&app).await, [("agent.created".to_owned(), 1)]);
    let audit = app.client().get(&format!("/v1/agents/{id}/audit")).send().await.expect(200).json();
    assert_eq!(audit["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn every_page_of_every_tenant_is_looked_at() {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    for _ in 0..130 {
        app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    for tenant in ["one", "two", "three"] {
        app.client_of(tenant).post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    app.advance(Duration::from_hours(20));
    assert_eq!(reconcile(&app).await, json!({"agents": 133, "resynced": 133, "told": 0}));
    app.advance(Duration::from_hours(24 * 4));
    assert_eq!(
        reconcile(&app).await,
        json!({"agents": 0, "resynced": 0, "told": 0}),
        "older ones are not looked at"
    );
}
