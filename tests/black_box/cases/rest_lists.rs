//! Lists: pages, orders, cursors and the parameters that they take.

use harness::an_agent;
use serde_json::{Value, json};

use super::{Case, case};
use crate::client::Client;
use crate::context::{Context, eventually};

/// The members of a row, sorted.
const ROW: [&str; 10] =
    ["created_at", "id", "key", "model", "name", "published_version", "rev", "status", "tags", "updated_at"];

pub fn cases() -> Vec<Case> {
    vec![
        case!(an_empty_list_is_a_page),
        case!(pages_follow_each_other_in_both_orders),
        case!(rows_are_summaries),
        case!(a_cursor_is_good_for_its_own_list_only),
        case!(parameters_outside_their_values_are_refused),
    ]
}

/// A client with as many agents, all of which the list shows.
async fn with_agents(context: &Context, count: usize) -> Client {
    let client = context.client().await;
    for index in 0..count {
        client.create(&an_agent().named(&format!("Agent {index}")).build()).await;
    }
    eventually("every agent in the list", async || {
        let rows = client.get("/v1/agents").send().await.expect(200).items();
        (rows.len() == count).then_some(())
    })
    .await;
    client
}

async fn an_empty_list_is_a_page(context: &Context) {
    let client = context.client().await;
    let page = client.get("/v1/agents").send().await.expect(200).json();
    assert_eq!(page, json!({"items": [], "next_cursor": null}));
}

/// Every row, in pages of two.
async fn read_all(client: &Client, sort: &str) -> Vec<Value> {
    let first = format!("/v1/agents?limit=2&sort={sort}");
    let mut rows = Vec::new();
    let mut path = first.clone();
    loop {
        let page = client.get(&path).send().await.expect(200);
        let items = page.items();
        assert!(items.len() <= 2, "{page}");
        rows.extend(items);
        match page.json()["next_cursor"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={cursor}"),
            None => return rows,
        }
    }
}

async fn pages_follow_each_other_in_both_orders(context: &Context) {
    let client = with_agents(context, 5).await;
    let oldest_first = read_all(&client, "created_at").await;
    let names: Vec<_> = oldest_first.iter().map(|row| row["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["Agent 0", "Agent 1", "Agent 2", "Agent 3", "Agent 4"]);
    let mut newest_first = read_all(&client, "-created_at").await;
    assert_eq!(client.get("/v1/agents").send().await.expect(200).items(), newest_first, "the default order");
    newest_first.reverse();
    assert_eq!(newest_first, oldest_first);
}

async fn rows_are_summaries(context: &Context) {
    let client = with_agents(context, 1).await;
    let rows = client.get("/v1/agents").send().await.expect(200).items();
    let mut members: Vec<_> = rows[0].as_object().expect("a row").keys().collect();
    members.sort();
    assert_eq!(members, ROW);
    assert_eq!(rows[0]["model"], json!({"provider": "anthropic", "id": "claude-haiku-4-5"}));
    let part = client.get("/v1/agents?fields=name,rev").send().await.expect(200).items();
    assert_eq!(part, [json!({"name": "Agent 0", "rev": 1})]);
}

async fn a_cursor_is_good_for_its_own_list_only(context: &Context) {
    let client = with_agents(context, 2).await;
    let cursor = client.get("/v1/agents?limit=1").send().await.expect(200).text("/next_cursor");
    let path = format!("/v1/agents?cursor={cursor}");
    assert_eq!(client.get(&path).send().await.expect(200).items().len(), 1);
    client.get(&format!("{path}&sort=created_at")).send().await.problem(400, "invalid_cursor");
    context.client().await.get(&path).send().await.problem(400, "invalid_cursor");
    for bad in ["AAAA", "x", ""] {
        let answer = client.get(&format!("/v1/agents?cursor={bad}")).send().await;
        answer.problem(400, "invalid_cursor");
    }
}

async fn parameters_outside_their_values_are_refused(context: &Context) {
    let client = context.client().await;
    for bad in [
        "/v1/agents?limit=0",
        "/v1/agents?limit=101",
        "/v1/agents?limit=-1",
        "/v1/agents?limit=",
        "/v1/agents?limit=1e1",
        "/v1/agents?sort=name",
        "/v1/agents?fields=config",
        "/v1/agents?page=2",
        "/v1/agents?limit=1&limit=2",
        "/v1/agents/validate?limit=1",
        "/v1/events?limit=0",
        "/v1/events?types=agent.imagined",
        "/v1/events?types=",
        "/v1/events?agent=x",
        "/v1/events?last=0",
        "/v1/events?last=5&limit=5",
        "/v1/events?colour=red",
        "/v1/tiers?limit=1",
    ] {
        let is_document = bad.contains("/validate");
        let request = if is_document { client.post(bad, &an_agent().build()) } else { client.get(bad) };
        request.send().await.problem(400, "invalid_parameter");
    }
}
