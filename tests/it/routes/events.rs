use std::time::Duration;

use harness::{Answer, App, Client, an_agent};
use http::Method;
use insta::assert_snapshot;
use serde_json::{Value, json};

async fn patch(client: &Client<'_>, id: &str, body: &Value) {
    let request = client.request(Method::PATCH, &format!("/v1/agents/{id}")).json(body);
    let request = request.header("content-type", "application/merge-patch+json");
    request.header("if-match", "*").send().await.expect(200);
}

/// An agent that was created, changed, handed over, archived, restored and deleted.
async fn a_life(app: &App) -> String {
    let client = app.client();
    let document = an_agent().with("tags", json!(["blue"])).build();
    let id = client.post("/v1/agents", &document).send().await.expect(201).text("/id");
    app.advance(Duration::from_secs(1));
    patch(
        &client,
        &id,
        &json!({"name": "Renamed", "tags": ["red"], "config": {"instructions": "x".repeat(2_000)}}),
    )
    .await;
    client.post(&format!("/v1/agents/{id}/transfer"), &json!({"owner": "someone"})).send().await.expect(200);
    client.request(Method::POST, &format!("/v1/agents/{id}/archive")).send().await.expect(200);
    client.request(Method::POST, &format!("/v1/agents/{id}/restore")).send().await.expect(200);
    client
        .request(Method::DELETE, &format!("/v1/agents/{id}"))
        .header("if-match", "*")
        .send()
        .await
        .expect(204);
    app.settle().await;
    id
}

#[tokio::test]
async fn each_rev_of_an_agent_is_one_event() {
    let app = App::start().await;
    a_life(&app).await;
    assert_snapshot!(app.client().get("/v1/events").send().await);
}

#[tokio::test]
async fn the_audit_says_who_changed_what_and_outlives_the_agent() {
    let app = App::start().await;
    let id = a_life(&app).await;
    assert_snapshot!(app.client().get(&format!("/v1/agents/{id}/audit")).send().await);
    let page = app.client().get(&format!("/v1/agents/{id}/audit?limit=4")).send().await.expect(200).json();
    let cursor = page["next_cursor"].as_str().expect("more");
    let rest = app.client().get(&format!("/v1/agents/{id}/audit?limit=4&cursor={cursor}")).send().await;
    let revs: Vec<_> =
        rest.json()["items"].as_array().expect("rows").iter().map(|row| row["rev"].clone()).collect();
    assert_eq!(revs, [2, 1]);
    let other = app.client_of("other").get(&format!("/v1/agents/{id}/audit")).send().await.expect(404);
    assert_eq!(other.text("/code"), "not_found");
    let bad = app.client().get(&format!("/v1/agents/{id}/audit?cursor=AAAA")).send().await.expect(400);
    assert_eq!(bad.text("/code"), "invalid_cursor");
    // Whoever can make a cursor's binding can't make the service fail.
    let binding = agent_management::page::Binding::new(&["acme", "audit", &id]);
    for forged in ["", "zzz", "-1", "99999999999999999999", "R#000000000002"] {
        let path = format!("/v1/agents/{id}/audit?cursor={}", binding.encode(forged));
        assert_eq!(
            app.client().get(&path).send().await.expect(400).text("/code"),
            "invalid_cursor",
            "{forged}"
        );
    }
    let above = format!("/v1/agents/{id}/audit?cursor={}", binding.encode(&u64::MAX.to_string()));
    app.client().get(&above).send().await.expect(200);
}

#[tokio::test]
async fn a_document_that_is_mostly_names_does_not_outgrow_its_audit() {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let schema = |leaf: i32| {
        let deep = (0..40).fold(json!({"a": leaf}), |inner, _| json!({"n".repeat(1_000): inner}));
        let wide: serde_json::Map<_, _> =
            (0..3_000).map(|index| (format!("w{index}"), json!(leaf))).collect();
        json!({"type": "object", "deep": deep, "wide": wide})
    };
    let document = an_agent().configured("variables_schema", schema(1)).build();
    let id = app.client().post("/v1/agents", &document).send().await.expect(201).text("/id");
    patch(&app.client(), &id, &json!({"config": {"variables_schema": schema(2)}})).await;
    app.settle().await;
    assert_eq!(numbers(&app.client().get("/v1/events").send().await.expect(200)), [1, 2]);
    let audit = app.client().get(&format!("/v1/agents/{id}/audit")).send().await.expect(200);
    assert!(audit.body.len() < 100_000, "{}", audit.body.len());
    assert_eq!(app.host.fanout.failed().len(), 0);
}

#[tokio::test]
async fn an_agent_whose_first_event_is_on_its_way_has_an_empty_audit() {
    let app = App::start().await;
    let id = app.client().post("/v1/agents", &an_agent().build()).send().await.text("/id");
    let audit = app.client().get(&format!("/v1/agents/{id}/audit")).send().await.expect(200);
    assert_eq!(audit.json(), json!({"items": [], "next_cursor": null}));
}

fn numbers(page: &Answer) -> Vec<u64> {
    let page = page.json();
    page["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["seq"].as_u64().expect("a number"))
        .collect()
}

#[tokio::test]
async fn the_log_is_read_in_pages_by_type_by_agent_and_from_its_end() {
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    let client = app.client();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(client.post("/v1/agents", &an_agent().build()).send().await.expect(201).text("/id"));
        // A segment each.
        app.settle().await;
    }
    patch(&client, &ids[1], &json!({"name": "Other"})).await;
    app.settle().await;
    let get = async |query: &str| client.get(&format!("/v1/events?{query}")).send().await.expect(200);
    let first = get("limit=2").await;
    assert_eq!(numbers(&first), [1, 2]);
    let second = get(&format!("limit=3&after={}", first.text("/next_cursor"))).await;
    assert_eq!(numbers(&second), [3, 4, 5]);
    let third = get(&format!("after={}", second.text("/items/2/cursor"))).await;
    assert_eq!((numbers(&third), &third.json()["next_cursor"]), (vec![6], &Value::Null));
    assert_eq!(numbers(&get(&format!("after={}", third.text("/items/0/cursor"))).await), [] as [u64; 0]);
    assert_eq!(numbers(&get("types=agent.updated,agent.deleted").await), [6]);
    let nothing = get("types=agent.deleted").await;
    assert_eq!(nothing.text("/cursor"), third.text("/items/0/cursor"), "how far it has read");
    assert_eq!(get("last=1&types=agent.deleted").await.text("/cursor"), nothing.text("/cursor"));
    assert_eq!(numbers(&get(&format!("agent={}", ids[1])).await), [2, 6]);
    assert_eq!(numbers(&get("last=2").await), [5, 6]);
    assert_eq!(numbers(&get(&format!("last=1&types=agent.created&agent={}", ids[1])).await), [2]);
    for bad in [
        "limit=0",
        "types=agent.imagined",
        "types=",
        "agent=x",
        "after=x",
        "last=0",
        "last=5&limit=5",
        "color=red",
    ] {
        client.get(&format!("/v1/events?{bad}")).send().await.expect(400);
    }
    let theirs =
        app.client_of("other").get(&format!("/v1/events?after={}", first.text("/next_cursor"))).send().await;
    assert_eq!(theirs.expect(400).text("/code"), "invalid_cursor");
}

#[tokio::test]
async fn a_full_segment_is_read_from_its_middle() {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    for _ in 0..70 {
        app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    app.settle().await;
    let page = app.client().get("/v1/events?limit=30").send().await;
    let rest =
        app.client().get(&format!("/v1/events?limit=100&after={}", page.text("/next_cursor"))).send().await;
    assert_eq!(numbers(&rest), (31..=70).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_tier_bounds_how_far_back_the_log_goes() {
    let app = App::start().await;
    let client = || app.client();
    client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    app.settle().await;
    let old = client().get("/v1/events").send().await.text("/items/0/cursor");
    for hours in [10, 10, 10, 10] {
        app.advance(Duration::from_hours(hours));
        let id = client().get("/v1/agents?limit=1").send().await.text("/items/0/id");
        patch(
            &client(),
            &id,
            &json!({"description": format!("after {hours} more hours, {:?}", app.clock.now())}),
        )
        .await;
        app.settle().await;
    }
    // 24 hours of the last 40 are there, and what has left is not asked for in vain.
    assert_eq!(numbers(&client().get("/v1/events").send().await.expect(200)), [3, 4, 5]);
    assert_eq!(numbers(&client().get("/v1/events?last=100").send().await.expect(200)), [3, 4, 5]);
    let expired = client().get(&format!("/v1/events?after={old}")).send().await;
    assert_snapshot!(expired);
    app.set_tier("acme", "pro", [].into()).await;
    assert_eq!(numbers(&client().get(&format!("/v1/events?after={old}")).send().await), [2, 3, 4, 5]);
}

#[tokio::test]
async fn a_ticket_is_a_secret_that_names_its_end() {
    let app = App::start().await;
    let created = app.client().post("/v1/ws-tickets", &json!({})).send().await.expect(201);
    let ticket = created.text("/ticket");
    assert!(ticket.starts_with("wst_acme.") && ticket.len() == 52, "{ticket}");
    assert_eq!(created.text("/expires_at"), "2026-01-01T00:01:00.000Z");
    let bodyless = app.client().request(Method::POST, "/v1/ws-tickets").send().await.expect(201);
    assert_ne!(bodyless.text("/ticket"), ticket);
    app.client().post("/v1/ws-tickets", &json!({"robot": 1})).send().await.expect(422);
}
