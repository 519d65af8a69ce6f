//! The log of events and the audit, over REST. Both are there a moment after the change.

use harness::an_agent;
use serde_json::{Value, json};

use super::{Case, case};
use crate::client::{Client, id_of, path_of};
use crate::context::{Context, USER, eventually};

pub fn cases() -> Vec<Case> {
    vec![
        case!(each_change_is_one_event_in_order),
        case!(the_log_is_read_by_type_by_agent_and_from_its_end),
        case!(the_log_is_read_on_from_any_cursor),
        case!(a_cursor_of_the_log_belongs_to_its_tenant),
        case!(the_audit_says_who_changed_what_and_outlives_the_agent),
        case!(a_ticket_is_a_secret_with_an_end),
    ]
}

async fn each_change_is_one_event_in_order(context: &Context) {
    let client = context.client().await;
    let agent = client.create(&an_agent().build()).await;
    let (id, path) = (id_of(&agent), path_of(&agent));
    client.merge(&path, &json!({"name": "Renamed", "tags": ["red"]})).send().await.expect(200);
    client.post(&format!("{path}/transfer"), &json!({"owner": "bob"})).send().await.expect(200);
    client.request("POST", &format!("{path}/archive")).send().await.expect(200);
    client.request("POST", &format!("{path}/restore")).send().await.expect(200);
    client.delete(&path).send().await.expect(204);
    let stamps = json!(["/archived_at", "/archived_by", "/status"]);
    let expected = [
        ("agent.created", json!([])),
        ("agent.updated", json!(["/name", "/tags"])),
        ("agent.transferred", json!(["/owner"])),
        ("agent.archived", stamps.clone()),
        ("agent.restored", stamps),
        ("agent.deleted", json!([])),
    ];
    let events = client.events(expected.len()).await;
    assert_eq!(events.len(), expected.len());
    for (index, (event, (kind, changed))) in events.iter().zip(expected).enumerate() {
        let number = index + 1;
        assert_eq!((&event["type"], &event["changed"]), (&json!(kind), &changed), "{event}");
        assert_eq!((&event["seq"], &event["id"]), (&json!(number), &json!(format!("evt_{id}_{number}"))));
        assert_eq!((&event["actor"], &event["tenant"]), (&json!(USER), &json!(client.tenant)));
        assert_eq!(event["data"], json!({"id": id, "rev": number}), "{event}");
        assert_eq!((&event["data_omitted"], event["cursor"].is_string()), (&json!(true), true), "{event}");
    }
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().expect("an id")).collect()
}

/// A client whose log has a creation of two agents and a change of the second.
async fn with_three_events(context: &Context) -> (Client, Vec<Value>) {
    let client = context.client().await;
    client.create(&an_agent().build()).await;
    let path = client.create_at(&an_agent().build()).await;
    client.merge(&path, &json!({"name": "Other"})).send().await.expect(200);
    let events = client.events(3).await;
    assert_eq!(events.len(), 3);
    (client, events)
}

async fn the_log_is_read_by_type_by_agent_and_from_its_end(context: &Context) {
    let (client, all) = with_three_events(context).await;
    let read =
        async |query: String| client.get(&format!("/v1/events?{query}")).send().await.expect(200).items();
    let of_type =
        |kind: &str| -> Vec<Value> { all.iter().filter(|event| event["type"] == kind).cloned().collect() };
    assert_eq!(read("types=agent.updated".to_owned()).await, of_type("agent.updated"));
    assert_eq!(read("types=agent.created,agent.deleted".to_owned()).await, of_type("agent.created"));
    assert_eq!(read("types=agent.deleted".to_owned()).await, [] as [Value; 0]);
    let changed = of_type("agent.updated")[0]["data"]["id"].clone();
    let of_agent: Vec<_> = all.iter().filter(|event| event["data"]["id"] == changed).cloned().collect();
    assert_eq!(of_agent.len(), 2);
    assert_eq!(read(format!("agent={}", changed.as_str().expect("an id"))).await, of_agent);
    assert_eq!(ids(&read("last=2".to_owned()).await), ids(&all[1..]));
    assert_eq!(
        ids(&read("last=1&types=agent.created".to_owned()).await),
        ids(&of_type("agent.created")[1..])
    );
}

async fn the_log_is_read_on_from_any_cursor(context: &Context) {
    let (client, all) = with_three_events(context).await;
    let mut read = Vec::new();
    let mut path = "/v1/events?limit=1".to_owned();
    loop {
        let page = client.get(&path).send().await.expect(200);
        assert!(page.items().len() <= 1, "{page}");
        read.extend(page.items());
        match page.json()["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/events?limit=1&after={cursor}"),
            None => break,
        }
    }
    assert_eq!(ids(&read), ids(&all));
    for (index, event) in all.iter().enumerate() {
        let path = format!("/v1/events?after={}", event["cursor"].as_str().expect("a cursor"));
        assert_eq!(ids(&client.get(&path).send().await.expect(200).items()), ids(&all[index + 1..]));
    }
    let end = client.get("/v1/events?types=agent.deleted").send().await.expect(200).text("/cursor");
    let path = client.create_at(&an_agent().named("Later").build()).await;
    eventually("the next event after the end", async || {
        let page = client.get(&format!("/v1/events?after={end}")).send().await.expect(200);
        let event = page.items().first()?.clone();
        assert!(path.ends_with(event["data"]["id"].as_str().expect("an id")), "{page}");
        Some(())
    })
    .await;
}

async fn a_cursor_of_the_log_belongs_to_its_tenant(context: &Context) {
    let client = context.client().await;
    client.create(&an_agent().build()).await;
    let cursor = client.events(1).await[0]["cursor"].as_str().expect("a cursor").to_owned();
    let path = format!("/v1/events?after={cursor}");
    client.get(&path).send().await.expect(200);
    context.client().await.get(&path).send().await.problem(400, "invalid_cursor");
    for bad in ["x", "AAAA", ""] {
        client.get(&format!("/v1/events?after={bad}")).send().await.problem(400, "invalid_cursor");
    }
}

async fn the_audit_says_who_changed_what_and_outlives_the_agent(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    let bob = context.client_with(&json!({"tenant": client.tenant, "user": "bob"})).await;
    bob.merge(&path, &json!({"name": "Renamed", "description": "x".repeat(1_500)})).send().await.expect(200);
    client.delete(&path).send().await.expect(204);
    let audit = format!("{path}/audit");
    let entries = eventually("an entry for each rev", async || {
        // Right after a deletion there may be no entry yet, and so nothing.
        let answer = client.get(&audit).send().await;
        let entries = if answer.status == 200 { answer.items() } else { Vec::new() };
        (entries.len() == 3).then_some(entries)
    })
    .await;
    let told = |member: &str| entries.iter().map(|entry| entry[member].clone()).collect::<Vec<_>>();
    assert_eq!(told("rev"), [3, 2, 1]);
    assert_eq!(told("actor"), [USER, "bob", USER]);
    assert_eq!(told("type"), ["agent.deleted", "agent.updated", "agent.created"]);
    let changes = json!([
        {"pointer": "/description", "after_bytes": 1_502},
        {"pointer": "/name", "before": "Support", "after": "Renamed"},
    ]);
    assert_eq!(entries[1]["changes"], changes);
    let page = client.get(&format!("{audit}?limit=2")).send().await.expect(200);
    let rest = format!("{audit}?limit=2&cursor={}", page.text("/next_cursor"));
    assert_eq!(client.get(&rest).send().await.expect(200).items(), entries[2..]);
    client.get(&format!("{audit}?cursor=AAAA")).send().await.problem(400, "invalid_cursor");
    context.client().await.get(&audit).send().await.problem(404, "not_found");
}

async fn a_ticket_is_a_secret_with_an_end(context: &Context) {
    let client = context.client().await;
    let answer = client.post("/v1/ws-tickets", &json!({})).send().await.expect(201);
    assert!(answer.text("/ticket").starts_with("wst_"), "{answer}");
    assert!(answer.text("/expires_at").ends_with('Z'), "{answer}");
    assert_ne!(client.ticket().await, answer.text("/ticket"));
}
