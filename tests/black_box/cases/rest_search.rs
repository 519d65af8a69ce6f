//! Searching and counting agents. What is found may be a moment old.

use harness::an_agent;
use serde_json::{Value, json};

use super::{Case, case};
use crate::client::{Client, id_of, path_of};
use crate::context::{Context, eventually};

const SEARCH: &str = "/v1/agents/search";
const COUNT: &str = "/v1/agents/count";
/// After so many pages something is wrong with the cursors.
const PAGES_MAX: usize = 100;
const SORTS: [&str; 6] = ["created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"];

pub fn cases() -> Vec<Case> {
    vec![
        case!(agents_are_found_by_what_they_are),
        case!(agents_are_found_by_words_and_their_beginnings),
        case!(filters_are_combined),
        case!(what_is_found_is_in_the_order_that_is_asked_for),
        case!(pages_have_each_agent_once),
        case!(agents_are_counted_as_they_are_found),
        case!(what_is_found_follows_changes),
        case!(a_search_that_is_none_is_refused),
        case!(another_tenant_s_agents_are_not_found),
    ]
}

/// The agents that there are, by name.
const ALL: &[&str] = &["attic", "onboarding", "refunds berlin", "refunds boston", "sales"];
const REFUNDS: &[&str] = &["refunds berlin", "refunds boston"];

/// A client with five agents, the oldest of which is archived, and all of which are found.
async fn with_agents(context: &Context) -> Client {
    let client = context.client().await;
    let tools = |ids: &[&str]| ids.iter().map(|id| json!({"tool_id": id})).collect::<Value>();
    let attic = client.create(&an_agent().named("attic").with("tags", json!(["eu"])).build()).await;
    let berlin = an_agent().named("refunds berlin").keyed("refunds-berlin");
    let berlin = berlin.with("tags", json!(["billing", "eu"])).with("description", json!("pays money back"));
    client.create(&berlin.configured("tools", tools(&["search", "mail"])).build()).await;
    let boston = an_agent().named("refunds boston").keyed("refunds-boston").on_model("openai", "gpt-5-mini");
    let boston = boston.with("tags", json!(["billing", "us"])).configured("tools", tools(&["search"]));
    client.create(&boston.build()).await;
    client.create(&an_agent().named("onboarding").with("tags", json!(["eu"])).build()).await;
    let sales = client.create(&an_agent().named("sales").build()).await;
    let transfer = client.post(&format!("{}/transfer", path_of(&sales)), &json!({"owner": "bob"}));
    transfer.send().await.expect(200);
    client.request("POST", &format!("{}/archive", path_of(&attic))).send().await.expect(200);
    expect_found(&client, &json!({"status": "archived"}), &["attic"]).await;
    expect_found(&client, &json!({"owner": "bob"}), &["sales"]).await;
    expect_found(&client, &json!({}), ALL).await;
    client
}

/// Everything that a search finds, page by page.
async fn found(client: &Client, query: &Value) -> Vec<Value> {
    let limit = query["limit"].as_u64().unwrap_or(20);
    let mut query = query.clone();
    let mut rows = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = client.post(SEARCH, &query).send().await.expect(200);
        let (items, cursor) = (page.items(), page.json()["next_cursor"].clone());
        assert!(items.len() as u64 <= limit, "{page}");
        rows.extend(items);
        if cursor.is_null() {
            return rows;
        }
        query["cursor"] = cursor;
    }
    panic!("never the last page of {query}");
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["name"].as_str().expect("a name")).collect()
}

async fn expect_found(client: &Client, filter: &Value, expected: &[&str]) {
    expect_all(client, &json!({"filter": filter}), expected).await;
}

/// Waits until a search finds exactly these agents, each once. They are named in alphabetical order.
async fn expect_all(client: &Client, query: &Value, expected: &[&str]) {
    eventually(&format!("{expected:?} by {query}"), async || {
        let rows = found(client, query).await;
        let mut names = names(&rows);
        names.sort_unstable();
        (names == expected).then_some(())
    })
    .await;
}

async fn agents_are_found_by_what_they_are(context: &Context) {
    let client = with_agents(context).await;
    let active = &ALL[1..];
    for (filter, expected) in [
        (json!({"status": "active"}), active),
        (json!({"status": ["active", "archived"]}), ALL),
        (json!({"tag": "eu"}), &ALL[..3]),
        (json!({"tag": ["us", "none"]}), &REFUNDS[1..]),
        (json!({"tag": "e"}), &ALL[..0]),
        (json!({"tool": "search"}), REFUNDS),
        (json!({"tool": "mail"}), &REFUNDS[..1]),
        (json!({"owner": ["bob", "eve"]}), &ALL[4..]),
        (json!({"model": "openai/gpt-5-mini"}), &REFUNDS[1..]),
        (json!({"key": "refunds-berlin"}), &REFUNDS[..1]),
        (json!({"key": ["refunds-boston", "refunds-berlin"]}), REFUNDS),
        (json!({"key": "refunds"}), &ALL[..0]),
    ] {
        expect_found(&client, &filter, expected).await;
    }
    // Without a filter it is all, in the rows of the list.
    eventually("the rows of the list", async || {
        let listed = client.get("/v1/agents").send().await.expect(200).items();
        (listed == found(&client, &json!({})).await).then_some(())
    })
    .await;
}

async fn agents_are_found_by_words_and_their_beginnings(context: &Context) {
    let client = with_agents(context).await;
    for (text, expected) in [
        ("refunds", REFUNDS),
        ("berlin refunds", &REFUNDS[..1]),
        ("Berlin", &REFUNDS[..1]),
        ("refunds money", &REFUNDS[..1]),
        ("money mars", &ALL[..0]),
        ("refund", &ALL[..0]),
        ("re*", REFUNDS),
        ("refunds bo*", &REFUNDS[1..]),
        ("efunds*", &ALL[..0]),
    ] {
        expect_found(&client, &json!({"text": text}), expected).await;
    }
}

async fn filters_are_combined(context: &Context) {
    let client = with_agents(context).await;
    let us_or_bob_s = json!([{"tag": "us"}, {"owner": "bob"}]);
    for (filter, expected) in [
        (json!({"tag": "eu", "tool": "mail"}), &REFUNDS[..1]),
        (json!({"tag": "us", "tool": "mail"}), &ALL[..0]),
        (json!({"and": [{"tag": "billing"}, {"tag": "eu"}]}), &REFUNDS[..1]),
        (json!({"or": us_or_bob_s}), &ALL[3..]),
        (json!({"and": [{"tag": "billing"}, {"or": us_or_bob_s}]}), &REFUNDS[1..]),
        (json!({"status": "active", "or": [{"tag": "eu"}, {"owner": "bob"}], "text": "sales"}), &ALL[4..]),
    ] {
        expect_found(&client, &filter, expected).await;
    }
}

async fn what_is_found_is_in_the_order_that_is_asked_for(context: &Context) {
    let client = with_agents(context).await;
    let by_creation = ["attic", "refunds berlin", "refunds boston", "onboarding", "sales"];
    let by_change = ["refunds berlin", "refunds boston", "onboarding", "sales", "attic"];
    let orders = [("created_at", &by_creation[..]), ("updated_at", &by_change[..]), ("name", ALL)];
    for (sort, ascending) in orders {
        let descending: Vec<_> = ascending.iter().rev().copied().collect();
        for (sort, expected) in [(sort.to_owned(), ascending), (format!("-{sort}"), &descending[..])] {
            eventually(&format!("{expected:?} by {sort}"), async || {
                let rows = found(&client, &json!({"sort": sort})).await;
                (names(&rows) == expected).then_some(())
            })
            .await;
        }
    }
    let newest_first = found(&client, &json!({"sort": "-created_at"})).await;
    assert_eq!(found(&client, &json!({})).await, newest_first, "the default order");
}

async fn pages_have_each_agent_once(context: &Context) {
    let client = with_agents(context).await;
    for sort in SORTS {
        for (filter, expected) in [(json!({}), ALL), (json!({"tag": "billing"}), REFUNDS)] {
            for limit in [1, 2] {
                let query = json!({"filter": filter, "sort": sort, "limit": limit});
                expect_all(&client, &query, expected).await;
            }
        }
    }
    let query = json!({"filter": {"status": "active"}, "limit": 1});
    let cursor = client.post(SEARCH, &query).send().await.expect(200).json()["next_cursor"].clone();
    let asked = |member: &str, value: Value| {
        let mut query = query.clone();
        query["cursor"] = cursor.clone();
        query[member] = value;
        query
    };
    client.post(SEARCH, &asked("limit", json!(1))).send().await.expect(200);
    for other in [asked("sort", json!("name")), asked("filter", json!({"status": "archived"}))] {
        client.post(SEARCH, &other).send().await.problem(400, "invalid_cursor");
    }
    let stranger = context.client().await;
    stranger.post(SEARCH, &asked("limit", json!(1))).send().await.problem(400, "invalid_cursor");
}

/// How many agents there are, call by call.
async fn counted(client: &Client, query: &Value) -> u64 {
    let mut query = query.clone();
    let mut count = 0;
    for _ in 0..PAGES_MAX {
        let answer = client.post(COUNT, &query).send().await.expect(200).json();
        count += answer["count"].as_u64().expect("a number");
        if answer["next_cursor"].is_null() {
            return count;
        }
        query["cursor"] = answer["next_cursor"].clone();
    }
    panic!("never the end of counting {query}");
}

async fn agents_are_counted_as_they_are_found(context: &Context) {
    let client = with_agents(context).await;
    for (query, expected) in [
        (json!({}), 5),
        (json!({"filter": {}}), 5),
        (json!({"filter": {"status": "active"}}), 4),
        (json!({"filter": {"tag": ["us", "eu"], "text": "refunds"}}), 2),
        (json!({"filter": {"key": "none"}}), 0),
    ] {
        eventually(&format!("a count of {expected} by {query}"), async || {
            (counted(&client, &query).await == expected).then_some(())
        })
        .await;
    }
    for bad in [json!({"filter": {"colour": "red"}}), json!({"robot": 1}), json!([])] {
        client.post(COUNT, &bad).send().await.problem(422, "validation_failed");
    }
    client.post(COUNT, &json!({"cursor": "AAAA"})).send().await.problem(400, "invalid_cursor");
}

async fn what_is_found_follows_changes(context: &Context) {
    let client = context.client().await;
    let agent = client.create(&an_agent().named("first name").with("tags", json!(["red"])).build()).await;
    let path = path_of(&agent);
    expect_found(&client, &json!({"text": "first", "tag": "red"}), &["first name"]).await;
    let config = json!({"tools": [{"tool_id": "search"}]});
    let change = json!({"name": "second name", "tags": ["blue"], "config": config});
    client.merge(&path, &change).send().await.expect(200);
    let as_it_is = json!({"text": "second", "tag": "blue", "tool": "search"});
    expect_found(&client, &as_it_is, &["second name"]).await;
    for gone in [json!({"text": "first"}), json!({"tag": "red"})] {
        expect_found(&client, &gone, &[]).await;
    }
    let rows = found(&client, &json!({"filter": as_it_is})).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((id_of(&rows[0]), &rows[0]["rev"]), (id_of(&agent), &json!(2)));
    client.delete(&path).send().await.expect(204);
    expect_found(&client, &json!({}), &[]).await;
}

async fn a_search_that_is_none_is_refused(context: &Context) {
    let client = context.client().await;
    for bad in [
        json!([]),
        json!({"page": 2}),
        json!({"limit": 0}),
        json!({"limit": 101}),
        json!({"limit": "5"}),
        json!({"sort": "rev"}),
        json!({"sort": ["name"]}),
        json!({"filter": "eu"}),
        json!({"filter": {"colour": "red"}}),
        json!({"filter": {"tag": 7}}),
        json!({"filter": {"tag": ["eu", 7]}}),
        json!({"filter": {"tag": []}}),
        json!({"filter": {"text": "r*"}}),
        json!({"filter": {"or": {"tag": "eu"}}}),
        json!({"filter": {"and": [{"colour": "red"}]}}),
    ] {
        let refused = client.post(SEARCH, &bad).send().await;
        assert_eq!(refused.status, 422, "{bad}: {refused}");
        refused.problem(422, "validation_failed");
    }
    for bad in ["AAAA", "x"] {
        client.post(SEARCH, &json!({"cursor": bad})).send().await.problem(400, "invalid_cursor");
    }
    client.post(SEARCH, &json!(null)).body("{").send().await.problem(400, "malformed_body");
    client.post(&format!("{SEARCH}?limit=1"), &json!({})).send().await.problem(400, "invalid_parameter");
    let text = client.request("POST", SEARCH).header("content-type", "text/plain").body("{}");
    text.send().await.problem(415, "unsupported_media_type");
}

async fn another_tenant_s_agents_are_not_found(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    other.create(&an_agent().named("theirs").keyed("theirs").build()).await;
    expect_found(&other, &json!({"key": "theirs"}), &["theirs"]).await;
    for filter in [json!({}), json!({"key": "theirs"}), json!({"text": "theirs"})] {
        let query = json!({"filter": filter});
        assert_eq!(found(&client, &query).await, [] as [Value; 0], "{query}");
        assert_eq!(counted(&client, &query).await, 0, "{query}");
    }
}
