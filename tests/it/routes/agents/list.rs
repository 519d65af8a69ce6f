use std::time::Duration;

use harness::{App, an_agent};
use insta::assert_snapshot;
use serde_json::Value;

async fn with_agents(count: usize) -> App {
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    for index in 0..count {
        app.advance(Duration::from_millis(1));
        let document = an_agent().named(&format!("Agent {index}")).build();
        app.client().post("/v1/agents", &document).send().await.expect(201);
    }
    app
}

fn names(page: &Value) -> Vec<String> {
    let rows = page["items"].as_array().expect("items");
    rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn an_empty_list_is_a_page_too() {
    let app = App::start().await;
    assert_snapshot!(app.client().get("/v1/agents").send().await);
}

#[tokio::test]
async fn rows_are_summaries_newest_first() {
    let app = with_agents(2).await;
    assert_snapshot!(app.client().get("/v1/agents").send().await);
}

#[tokio::test]
async fn pages_follow_each_other_in_both_orders() {
    let app = with_agents(7).await;
    for (sort, expected) in [("-created_at", [6, 5, 4, 3, 2, 1, 0]), ("created_at", [0, 1, 2, 3, 4, 5, 6])] {
        let mut seen = Vec::new();
        let mut path = format!("/v1/agents?limit=3&sort={sort}");
        loop {
            let page = app.client().get(&path).send().await.expect(200).json();
            seen.extend(names(&page));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/v1/agents?limit=3&sort={sort}&cursor={cursor}");
        }
        assert_eq!(seen, expected.map(|index| format!("Agent {index}")));
    }
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_query_and_tenant_only() {
    let app = with_agents(2).await;
    let page = app.client().get("/v1/agents?limit=1").send().await.json();
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let with_cursor = format!("/v1/agents?cursor={cursor}");
    app.client().get(&with_cursor).send().await.expect(200);
    assert_snapshot!(app.client_of("other").get(&with_cursor).send().await);
    app.client().get(&format!("{with_cursor}&sort=created_at")).send().await.expect(400);
}

#[tokio::test]
async fn parameters_outside_their_values_are_refused() {
    let app = App::start().await;
    for bad in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=%2B5",
        "limit=",
        "limit=1e1",
        "limit=99999999999999999999",
        "sort=name",
        "sort=",
        "cursor=",
        "cursor=AAAA",
        "cursor=%00",
        "fields=config",
        "page=2",
        "limit=1&limit=2",
    ] {
        let answer = app.client().get(&format!("/v1/agents?{bad}")).send().await.expect(400);
        assert!(answer.text("/code").starts_with("invalid_"), "{bad}");
    }
}
