use std::collections::BTreeSet;
use std::time::Duration;

use agent_management::page::Binding;
use harness::{App, an_agent};
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::publish::{create, publish};

/// The names of what one search finds, page by page.
async fn found_by(app: &App, search: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let mut search = search.clone();
    for _ in 0..1_000 {
        let page = app.client().post("/v1/agents/search", &search).send().await.expect(200).json();
        let items = page["items"].as_array().expect("rows");
        names.extend(items.iter().map(|row| row["name"].as_str().expect("a name").to_owned()));
        if page["next_cursor"].is_null() {
            return names;
        }
        search["cursor"] = page["next_cursor"].clone();
    }
    panic!("the search does not end: {search}");
}

/// The same for a filter, in no order.
async fn names(app: &App, filter: Value) -> BTreeSet<String> {
    let found = found_by(app, &json!({"filter": filter})).await;
    let count = found.len();
    let names: BTreeSet<String> = found.into_iter().collect();
    assert_eq!(names.len(), count, "each once");
    let counted = app.client().post("/v1/agents/count", &json!({"filter": filter})).send().await.expect(200);
    assert_eq!(counted.json(), json!({"count": count, "next_cursor": null}), "{filter}");
    names
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

/// Four agents that differ in everything that agents are found by.
async fn four() -> App {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let documents = [
        an_agent().named("Refund helper").keyed("refunds").with("tags", json!(["eu", "billing"])),
        an_agent()
            .named("Order refunds")
            .with("description", json!("Answers policy questions."))
            .with("tags", json!(["us"]))
            .with_tools(2),
        an_agent().named("Größe").on_model("openai", "gpt-5").with("tags", json!(["eu"])).with_tools(1),
        an_agent().named("Other").configured(
            "model",
            json!({"provider": "anthropic", "id": "claude-opus-4-6",
                   "fallbacks": [{"provider": "openai", "id": "gpt-5"}]}),
        ),
    ];
    for document in documents {
        create(&app.client(), &document.build()).await;
        app.advance(Duration::from_secs(1));
    }
    app.settle().await;
    app
}

#[tokio::test]
async fn agents_are_found_by_everything_that_a_filter_may_name() {
    let app = four().await;
    for (filter, expected) in [
        (json!({}), set(["Refund helper", "Order refunds", "Größe", "Other"])),
        (json!({"tag": "eu"}), set(["Refund helper", "Größe"])),
        (json!({"tag": ["us", "billing"]}), set(["Refund helper", "Order refunds"])),
        (json!({"tag": "EU"}), set([])),
        (json!({"tool": "tool-1"}), set(["Order refunds"])),
        (json!({"tool": "tool-0", "tag": "eu"}), set(["Größe"])),
        (json!({"model": "openai/gpt-5"}), set(["Größe", "Other"])),
        (json!({"owner": "dev", "status": "active", "tag": "us"}), set(["Order refunds"])),
        (json!({"owner": "ann"}), set([])),
        (json!({"status": ["archived", "suspended"]}), set([])),
        (json!({"template": "tpl_00000000000000000000000000"}), set([])),
        (json!({"key": "refunds"}), set(["Refund helper"])),
        (json!({"key": ["refunds", "no key"]}), set(["Refund helper"])),
        (json!({"text": "refund"}), set(["Refund helper"])),
        (json!({"text": "REFUND*"}), set(["Refund helper", "Order refunds"])),
        (json!({"text": "ref* polic* order"}), set(["Order refunds"])),
        (json!({"text": "größe"}), set(["Größe"])),
        (json!({"text": "gr* "}), set(["Größe"])),
        (json!({"text": "refunds helper"}), set([])),
        (json!({"or": [{"tag": "us"}, {"text": "oth*"}]}), set(["Order refunds", "Other"])),
        (json!({"and": [{"tag": "eu"}, {"or": [{"tool": "tool-0"}, {"key": "x"}]}]}), set(["Größe"])),
        (json!({"or": [{}, {"tag": "us"}], "tag": "eu"}), set(["Refund helper", "Größe"])),
    ] {
        assert_eq!(names(&app, filter.clone()).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn what_is_found_answers_as_the_list_does() {
    let app = four().await;
    let found = app.client().post("/v1/agents/search", &json!({"limit": 2})).send().await.expect(200);
    let listed = app.client().get("/v1/agents?limit=2").send().await.expect(200);
    assert_eq!(found.json()["items"], listed.json()["items"]);
    assert_snapshot!(
        app.client().post("/v1/agents/search", &json!({"filter": {"key": "refunds"}})).send().await
    );
    // A search says as little as it likes.
    let all = app.client().request(http::Method::POST, "/v1/agents/search").send().await.expect(200);
    assert_eq!(all.json()["items"].as_array().map(Vec::len), Some(4));
}

#[tokio::test]
async fn what_is_found_comes_in_the_order_that_is_asked_for() {
    let app = four().await;
    let path = {
        let page =
            app.client().post("/v1/agents/search", &json!({"filter": {"key": "refunds"}})).send().await;
        format!("/v1/agents/{}", page.text("/items/0/id"))
    };
    app.client().patch(&path, &json!({"description": "changed"})).send().await.expect(200);
    app.settle().await;
    for limit in [1, 2, 3, 100] {
        for (sort, expected) in [
            ("created_at", ["Refund helper", "Order refunds", "Größe", "Other"]),
            ("-created_at", ["Other", "Größe", "Order refunds", "Refund helper"]),
            ("updated_at", ["Order refunds", "Größe", "Other", "Refund helper"]),
            ("-updated_at", ["Refund helper", "Other", "Größe", "Order refunds"]),
            ("name", ["Größe", "Order refunds", "Other", "Refund helper"]),
            ("-name", ["Refund helper", "Other", "Order refunds", "Größe"]),
        ] {
            for filter in [json!({}), json!({"owner": "dev"}), json!({"text": "gr* ", "tag": "eu"})] {
                let search = json!({"filter": filter, "sort": sort, "limit": limit});
                let expected: Vec<&str> =
                    expected.into_iter().filter(|name| filter["tag"].is_null() || *name == "Größe").collect();
                assert_eq!(found_by(&app, &search).await, expected, "{search}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_search_is_refused() {
    let app = four().await;
    let search = |document: Value| app.client().post("/v1/agents/search", &document).send();
    for bad in [
        json!({"sort": "rev"}),
        json!({"limit": 0}),
        json!({"limit": 101}),
        json!({"limit": "5"}),
        json!({"filter": {"colour": "red"}}),
        json!({"filter": {"tag": 1}}),
        json!({"filter": {"tag": []}}),
        json!({"filter": []}),
        json!({"filter": {"text": "a*"}}),
        json!({"filter": {"or": []}}),
        json!({"query": "x"}),
    ] {
        search(bad.clone()).await.expect(422);
        if bad.get("filter").is_some() {
            app.client().post("/v1/agents/count", &bad).send().await.expect(422);
        }
    }
    let page = search(json!({"limit": 1, "filter": {"tag": "eu"}})).await.expect(200).json();
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    for other in [
        json!({"cursor": cursor}),
        json!({"cursor": cursor, "filter": {"tag": "us"}}),
        json!({"cursor": cursor, "filter": {"tag": "eu"}, "sort": "name"}),
        json!({"cursor": "x", "filter": {"tag": "eu"}}),
    ] {
        assert_eq!(search(other).await.expect(400).text("/code"), "invalid_cursor");
    }
    // One that was made by hand.
    let forged = Binding::new(&["acme", "search", "-", "created", r#"{"tag":"eu"}"#]).encode("");
    let forged = search(json!({"cursor": forged, "filter": {"tag": "eu"}})).await.expect(400);
    assert_eq!(forged.text("/code"), "invalid_cursor");
    let own = json!({"cursor": cursor, "filter": {"tag": "eu"}});
    search(own.clone()).await.expect(200);
    app.client_of("other").post("/v1/agents/search", &own).send().await.expect(400);
}

#[tokio::test]
async fn the_index_follows_changes_deletions_and_revivals() {
    let app = four().await;
    let client = app.client();
    let keyed =
        an_agent().named("Refund helper").keyed("refunds").with("tags", json!(["eu", "billing"])).build();
    let path = {
        let page = client.post("/v1/agents/search", &json!({"filter": {"key": "refunds"}})).send().await;
        format!("/v1/agents/{}", page.text("/items/0/id"))
    };
    client.patch(&path, &json!({"name": "Credits", "tags": ["eu"]})).send().await.expect(200);
    client.post(&format!("{path}/archive"), &json!({})).send().await.expect(200);
    assert_eq!(names(&app, json!({"tag": "billing"})).await, set(["Refund helper"]), "a moment behind");
    app.settle().await;
    assert_eq!(names(&app, json!({"tag": "billing"})).await, set([]));
    assert_eq!(names(&app, json!({"text": "credits", "status": "archived"})).await, set(["Credits"]));
    client.delete(&path).send().await.expect(204);
    app.settle().await;
    assert_eq!(names(&app, json!({"tag": "eu"})).await, set(["Größe"]));
    app.advance(Duration::from_secs(1));
    create(&client, &keyed).await;
    app.settle().await;
    assert_eq!(names(&app, json!({"tag": "billing"})).await, set(["Refund helper"]));
    assert_eq!(found_by(&app, &json!({"filter": {"tag": "eu"}})).await, ["Refund helper", "Größe"]);
}

#[tokio::test]
async fn who_hands_work_to_an_agent_depends_on_it_and_keeps_it_from_deletion() {
    let app = four().await;
    let client = app.client();
    let used = create(&client, &an_agent().named("Used").build()).await;
    let version = publish(&client, &used).await;
    let beta = json!({"routes": [{"version": version, "weight": 1}]});
    client.put(&format!("{used}/aliases/beta"), &beta).send().await.expect(201);
    let id = &used["/v1/agents/".len()..];
    let by_draft =
        an_agent().named("By draft").configured("sub_agents", json!([{"id": id, "alias": "beta"}]));
    let by_draft = create(&client, &by_draft.build()).await;
    app.advance(Duration::from_secs(1));
    // Its draft no longer uses it, and what is live does.
    let by_live = an_agent().named("By live").configured("sub_agents", json!([{"id": id}]));
    let by_live = create(&client, &by_live.build()).await;
    publish(&client, &by_live).await;
    client.patch(&by_live, &json!({"config": {"sub_agents": null}})).send().await.expect(200);
    app.settle().await;
    assert_snapshot!(client.get(&format!("{used}/dependents")).send().await);
    let of = async |query: &str| {
        let page = client.get(&format!("{used}/dependents{query}")).send().await.expect(200).json();
        page["items"].as_array().expect("rows").len()
    };
    assert_eq!((of("?alias=beta").await, of("?alias=live").await, of("?alias=other").await), (1, 1, 0));
    client.get(&format!("{used}/dependents?alias=A")).send().await.expect(400);
    assert_snapshot!(client.delete(&used).send().await);
    assert_eq!(
        client.delete(&format!("{used}/aliases/beta")).send().await.expect(409).text("/code"),
        "has_dependents"
    );
    client.delete(&format!("{used}/aliases/beta?force=true")).send().await.expect(204);
    client.delete(&by_draft).send().await.expect(204);
    publish(&client, &by_live).await;
    app.settle().await;
    assert_eq!(of("").await, 0);
    client.delete(&used).send().await.expect(204);
    let used = create(&client, &an_agent().build()).await;
    let id = &used["/v1/agents/".len()..];
    create(&client, &an_agent().configured("sub_agents", json!([{"id": id}])).build()).await;
    app.settle().await;
    client.delete(&used).send().await.expect(409);
    client.delete(&format!("{used}?force=true")).send().await.expect(204);
}

#[tokio::test]
async fn who_depended_on_an_agent_once_hides_nobody_who_still_does() {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let client = app.client();
    let used = create(&client, &an_agent().build()).await;
    let id = &used["/v1/agents/".len()..];
    let mut users = Vec::new();
    for _ in 0..102 {
        let user = an_agent().configured("sub_agents", json!([{"id": id}])).build();
        users.push(create(&client, &user).await);
        app.advance(Duration::from_millis(1));
    }
    // The newest alone goes on.
    for user in &users[..101] {
        client.patch(user, &json!({"config": {"sub_agents": null}})).send().await.expect(200);
    }
    app.settle().await;
    let refused = client.delete(&used).send().await.expect(409);
    assert_eq!(refused.json()["errors"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_many_have_lost_hides_nobody_who_has_it() {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let client = app.client();
    let mut paths = Vec::new();
    for index in 0..110 {
        let document = an_agent().named(&format!("n{index}")).with("tags", json!(["x"])).build();
        paths.push(create(&client, &document).await);
        app.advance(Duration::from_millis(1));
    }
    // The newest ninety lose it; what is left of their rows stands before the others.
    for path in &paths[20..] {
        client.patch(path, &json!({"tags": []})).send().await.expect(200);
    }
    app.settle().await;
    for sort in ["-created_at", "created_at", "name", "-updated_at"] {
        for limit in [1, 7, 20, 100] {
            let search = json!({"filter": {"tag": "x"}, "sort": sort, "limit": limit});
            assert_eq!(found_by(&app, &search).await.len(), 20, "{search}");
            let either = json!({"or": [{"tag": "x"}, {"text": "n109"}]});
            let search = json!({"filter": either, "sort": sort, "limit": limit});
            assert_eq!(found_by(&app, &search).await.len(), 21, "{search}");
        }
    }
    let counted = client.post("/v1/agents/count", &json!({"filter": {"tag": "x"}})).send().await.expect(200);
    assert_eq!(counted.json(), json!({"count": 20, "next_cursor": null}));
    // Many values lead to their agents, not to a walk.
    let keys: Vec<String> = (0..31).map(|index| format!("key{index}")).collect();
    for key in &keys {
        create(&client, &an_agent().named(key).keyed(key).build()).await;
    }
    app.settle().await;
    app.recorder.take();
    let search = json!({"filter": {"key": keys}, "limit": 20});
    let page = client.post("/v1/agents/search", &search).send().await.expect(200).json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(20));
    assert_eq!(app.recorder.take_of("agents").len(), 1, "one read of cards");
}
