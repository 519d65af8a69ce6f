//! What templates, what is made from them, and previews of tiers cost: calls and capacity units, exactly.

use std::collections::HashMap;

use harness::{App, TENANT, an_agent};
use local::table::{AttributeValue, Item};
use serde_json::{Value, json};

use crate::cost::{HEAD_MAX_BYTES, head_of, item_bytes, total};

/// Agents of the tenant whose downgrade is previewed.
const AGENTS: usize = 10_000;
/// Items that are imported at once.
const IMPORT_MAX: usize = 2_000;

/// A service in which the authorizer's answer is cached and the tenant has its record.
async fn warm() -> App {
    let app = App::start().await;
    app.set_tier(TENANT, "enterprise", [].into()).await;
    app.client().get("/v1/agents").send().await.expect(200);
    app.recorder.take();
    app
}

fn operations(app: &App) -> (Vec<String>, (usize, f64, f64)) {
    let calls = app.recorder.take();
    (calls.iter().map(|call| call.operation.clone()).collect(), total(&calls))
}

fn a_template() -> Value {
    let agent = an_agent().named("For ${who}").configured("instructions", json!("i".repeat(1_100)));
    let variables = json!([{"name": "who", "schema": {"type": "string"}, "default": "us"}]);
    json!({"name": "T", "variables": variables, "agent": agent.build()})
}

#[tokio::test]
async fn a_template_costs_what_an_agent_does() {
    let app = warm().await;
    let client = app.client();
    let created = client.post("/v1/templates", &a_template()).send().await.expect(201);
    assert_eq!(operations(&app), (vec!["TransactWriteItems".to_owned()], (1, 0.0, 7.0)));
    assert!((HEAD_MAX_BYTES / 2..HEAD_MAX_BYTES).contains(&item_bytes(&head_of(&app))));
    let path = created.header("location").expect("a location");
    client.get(path).send().await.expect(200);
    assert_eq!(operations(&app).1, (1, 1.0, 0.0));
    client.patch(path, &json!({"name": "Other"})).send().await.expect(200);
    assert_eq!(operations(&app).1, (2, 1.0, 3.0));
    client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
    assert_eq!(operations(&app).1, (2, 1.0, 9.0), "one transaction of the head and the version");
    client.post(&format!("{path}/publish"), &json!({})).send().await.expect(200);
    assert_eq!(operations(&app).1, (2, 2.0, 0.0));
    client.get("/v1/templates?limit=50").send().await.expect(200);
    assert_eq!(operations(&app).1, (1, 0.5, 0.0));
    client.delete(path).send().await.expect(204);
    let (names, cost) = operations(&app);
    assert_eq!(names, ["GetItem", "Query", "TransactWriteItems"]);
    assert_eq!(cost, (3, 1.5, 7.0));
}

/// Public templates are in the program: an agent from one is created for what an agent costs.
#[tokio::test]
async fn an_agent_from_a_template_costs_a_creation_and_at_most_two_reads() {
    let app = warm().await;
    let client = app.client();
    let gallery = client.get("/v1/templates?visibility=public").send().await.expect(200).json();
    assert_eq!(operations(&app).1, (0, 0.0, 0.0));
    let id = gallery["items"][0]["id"].as_str().expect("an id");
    let public = client.get(&format!("/v1/templates/{id}")).send().await.expect(200).json();
    let said = json!({"variables": public["example"]});
    client.post(&format!("/v1/templates/{id}/render"), &said).send().await.expect(200);
    assert_eq!(operations(&app).1, (0, 0.0, 0.0));
    client.post(&format!("/v1/templates/{id}/instantiate"), &said).send().await.expect(201);
    let (names, (calls, reads, _)) = operations(&app);
    assert_eq!((names, calls, reads), (vec!["TransactWriteItems".to_owned()], 1, 0.0));

    let created = client.post("/v1/templates", &a_template()).send().await.expect(201);
    let path = created.header("location").expect("a location");
    client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
    app.recorder.take();
    let made = client.post(&format!("{path}/instantiate"), &json!({"version": 1})).send().await.expect(201);
    assert_eq!(operations(&app).1, (3, 2.0, 7.0));
    client.post(&format!("{path}/instantiate"), &json!({})).send().await.expect(201);
    let (names, cost) = operations(&app);
    assert_eq!(names, ["GetItem", "GetItem", "TransactWriteItems"]);
    assert_eq!(cost, (3, 2.0, 7.0));
    client.post(&format!("{path}/instantiate?publish=true"), &json!({"version": 1})).send().await.expect(201);
    assert_eq!(operations(&app).1, (7, 4.0, 14.0), "and what a publication costs");

    // The agent, the template's head for its last version, and that version, which is the agent's own, too.
    let drift = json!({"agent_id": made.text("/id")});
    client.post(&format!("{path}/drift"), &drift).send().await.expect(200);
    assert_eq!(operations(&app).1, (3, 3.0, 0.0));
    client.patch(path, &json!({"description": "Changed"})).send().await.expect(200);
    client.patch(path, &json!({"agent": {"description": "Changed"}})).send().await.expect(200);
    client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
    app.recorder.take();
    client.post(&format!("{path}/upgrade"), &drift).send().await.expect(200);
    let (names, cost) = operations(&app);
    assert_eq!(names, ["GetItem", "GetItem", "GetItem", "GetItem", "UpdateItem"]);
    assert_eq!(cost, (5, 4.0, 3.0));
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// Rows of the list as a real head makes them, each of another agent.
async fn many(app: &App) {
    let client = app.client();
    let document = an_agent().on_model("openai", "gpt-5").with_tools(30).named(&"n".repeat(60)).build();
    let created = client.post("/v1/agents", &document).send().await.expect(201);
    let id = created.text("/id");
    let real = app.item(&format!("T#{TENANT}#A#{id}"), "#H").expect("a head");
    let real: Item = serde_json::from_value(real).expect("an item");
    let mut items = Vec::new();
    for number in 1..AGENTS {
        let id = agent_management::id::AgentId::derived(&[&number.to_string()]);
        let mut item: HashMap<_, _> = real.clone();
        let place = real["GSI1SK"].clone();
        let AttributeValue::S(place) = place else { panic!("a text") };
        let (created, _) = place.split_once('#').expect("a place");
        item.insert("PK".to_owned(), text(&format!("T#{TENANT}#A#{id}")));
        item.insert("GSI1SK".to_owned(), text(&format!("{created}#{id}")));
        items.push(item);
        if items.len() >= IMPORT_MAX {
            app.host.engine.import(std::mem::take(&mut items)).expect("imported");
        }
    }
    app.host.engine.import(items).expect("imported");
    app.recorder.take();
}

#[tokio::test]
async fn a_preview_of_10_000_agents_is_at_most_6_calls_and_a_twentieth_of_a_read_for_each() {
    let app = warm().await;
    many(&app).await;
    let client = app.client();
    let mut seen = std::collections::BTreeSet::new();
    let mut asked = json!({"tier": "pro"});
    loop {
        let page = client.post("/v1/entitlements/preview", &asked).send().await.expect(200).json();
        let (calls, reads, writes) = operations(&app).1;
        assert!(calls <= 6 && reads <= 0.05 * 10_000.0 && writes == 0.0, "{calls} {reads} {writes}");
        assert_eq!((&page["active_before"], &page["active_after"]), (&json!(AGENTS), &json!(100)));
        assert_eq!((&page["suspended"], &page["blocked"]), (&json!(AGENTS - 100), &json!(0)));
        let rows = page["items"].as_array().expect("rows");
        assert!(page.to_string().len() < 1_000_000, "a page is far below what Lambda may answer");
        seen.extend(rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
        if page["next_cursor"].is_null() {
            break;
        }
        asked["cursor"] = page["next_cursor"].clone();
    }
    assert_eq!(seen.len(), AGENTS - 100, "every agent that would be suspended");
    let free = client.post("/v1/entitlements/preview", &json!({"tier": "free", "limit": 1})).send().await;
    let free = free.expect(200).json();
    assert_eq!((&free["suspended"], &free["blocked"]), (&json!(AGENTS - 5), &json!(AGENTS)));
    let codes: Vec<_> =
        free["items"][0]["violations"].as_array().expect("why").iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["agents_limit", "model_not_admitted", "tools_limit"]);
}
