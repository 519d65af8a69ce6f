//! What endpoints want goes to the webhook queue, once for each of them.

use std::time::Duration;

use agent_management::event::{EventType, Filter};
use agent_management::id::EndpointId;
use agent_management::webhook::{Endpoint, store};
use harness::{App, TENANT, an_agent};
use http::Method;
use local::queues::WEBHOOKS;
use serde_json::{Value, json};

async fn register(app: &App, tenant: &str, filter: Filter) -> EndpointId {
    let endpoint = Endpoint { id: EndpointId::generate(app.clock.now()), filter };
    let tenant = tenant.parse().expect("a tenant");
    store::insert(&app.host.store, &tenant, &endpoint).await.expect("written");
    endpoint.id
}

/// The messages: for whom, and what.
fn taken(app: &App) -> Vec<(String, String)> {
    let messages = app.host.queues.receive(WEBHOOKS, 1_000, Duration::from_hours(1)).expect("readable");
    let read = messages.iter().map(|message| serde_json::from_str::<Value>(&message.body).expect("JSON"));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    read.map(|message| (text(&message["endpoint"]), text(&message["event"]["type"]))).collect()
}

#[tokio::test]
async fn each_endpoint_gets_the_events_that_its_filter_admits() {
    let app = App::start().await;
    let all = register(&app, TENANT, Filter::default()).await.to_string();
    let types = vec![EventType::AgentDeleted];
    let deletions = register(&app, TENANT, Filter { types, ..Filter::default() }).await.to_string();
    register(&app, "other", Filter::default()).await;
    let id = app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201).text("/id");
    let path = format!("/v1/agents/{id}");
    app.client().request(Method::DELETE, &path).header("if-match", "*").send().await.expect(204);
    app.settle().await;
    let mut expected = [
        (all.clone(), "agent.created".to_owned()),
        (all, "agent.deleted".to_owned()),
        (deletions, "agent.deleted".to_owned()),
    ];
    expected.sort();
    let mut got = taken(&app);
    got.sort();
    assert_eq!(got, expected);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_down_holds_the_event_until_it_is_back() {
    let app = App::start().await;
    register(&app, TENANT, Filter::default()).await;
    app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    app.host.queues.fail_next(20);
    app.settle().await;
    assert_eq!(taken(&app).len(), 1);
    let page = app.client().get("/v1/events").send().await.expect(200).json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["items"][0]["data"], json!({"id": page["items"][0]["data"]["id"], "rev": 1}));
}

#[tokio::test]
async fn more_than_a_batch_is_sent_whole() {
    let app = App::start().await;
    app.set_tier(TENANT, "enterprise", [].into()).await;
    register(&app, TENANT, Filter::default()).await;
    for _ in 0..25 {
        app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    app.settle().await;
    assert_eq!(taken(&app).len(), 25);
}
