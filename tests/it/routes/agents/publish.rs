use std::collections::BTreeMap;

use agent_management::tier::LimitName;
use harness::{App, Client, an_agent};
use insta::assert_snapshot;
use local::issuer::TokenRequest;
use serde_json::{Value, json};

pub async fn create(client: &Client<'_>, document: &Value) -> String {
    let created = client.post("/v1/agents", document).send().await.expect(201);
    created.header("location").expect("a location").to_owned()
}

/// Publishes; the version that there is now.
pub async fn publish(client: &Client<'_>, path: &str) -> u64 {
    let published = client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
    published.json()["version"]["version"].as_u64().expect("a number")
}

/// Gives the draft another name, and publishes it.
pub async fn publish_as(client: &Client<'_>, path: &str, name: &str) -> u64 {
    client.patch(path, &json!({"name": name})).send().await.expect(200);
    publish(client, path).await
}

/// What `live` leads to.
pub async fn live(client: &Client<'_>, path: &str) -> Value {
    client.get(path).send().await.expect(200).json()["aliases"]["live"].clone()
}

async fn versions(client: &Client<'_>, path: &str) -> Vec<u64> {
    let list = client.get(&format!("{path}/versions?limit=100")).send().await.expect(200).json();
    assert_eq!(list["next_cursor"], Value::Null);
    let items = list["items"].as_array().expect("rows");
    items.iter().map(|row| row["version"].as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn publishing_makes_a_version_of_the_draft_and_live_leads_to_it() {
    let app = App::start().await;
    let client = app.client();
    let tool = json!([{"tool_id": "web", "version": "1.2", "schema_hash": "abc"}]);
    let path = create(&client, &an_agent().configured("tools", tool).build()).await;
    let said = json!({"title": "First", "notes": "It answers."});
    assert_snapshot!(client.post(&format!("{path}/publish"), &said).send().await);
    assert_snapshot!(client.get(&path).send().await);
    let version = client.get(&format!("{path}/versions/1")).send().await.expect(200);
    assert_eq!(version.text("/pins/tools/0/schema_hash"), "abc");
    // The draft goes on; the version stays.
    client.patch(&path, &json!({"name": "Other"})).send().await.expect(200);
    let again = client.get(&format!("{path}/versions/1")).send().await.expect(200);
    assert_eq!((again.json(), again.text("/name").as_str()), (version.json(), "Support"));
    assert_eq!(client.get(&path).send().await.json()["unpublished_changes"], true);
    assert_eq!(publish(&client, &path).await, 3);
    assert_eq!(versions(&client, &path).await, [3, 1]);
    assert_snapshot!(client.get(&format!("{path}/versions")).send().await);
}

#[tokio::test]
async fn an_unchanged_draft_makes_no_version_and_the_answer_says_so() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    publish(&client, &path).await;
    let rev = client.get(&path).send().await.json()["rev"].clone();
    let again = client.post(&format!("{path}/publish"), &json!({"title": "Again"})).send().await.expect(200);
    assert_eq!(
        (again.json()["minted"].clone(), again.json()["version"]["version"].clone()),
        (json!(false), json!(1))
    );
    assert_eq!(client.get(&path).send().await.json()["rev"], rev, "nothing was written");
    // Changed there and back again, it is what it was.
    client.patch(&path, &json!({"name": "Other"})).send().await.expect(200);
    client.patch(&path, &json!({"name": "Support"})).send().await.expect(200);
    let back = client.post(&format!("{path}/publish"), &json!({})).send().await.expect(200);
    assert_eq!(back.json()["minted"], false);
    assert_eq!(versions(&client, &path).await, [1]);
}

#[tokio::test]
async fn publishing_an_unchanged_draft_brings_live_back_to_it() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    publish(&client, &path).await;
    let second = publish_as(&client, &path, "Two").await;
    client.post(&format!("{path}/rollback"), &json!({})).send().await.expect(200);
    let again = client.post(&format!("{path}/publish"), &json!({})).send().await.expect(200).json();
    assert_eq!(
        (&again["minted"], &again["live"]["routes"]),
        (&json!(false), &json!([{"version": second, "weight": 100}]))
    );
}

#[tokio::test]
async fn a_repeated_publication_answers_the_version_that_it_made() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    let send = |said: Value| {
        let request = client.post(&format!("{path}/publish"), &said);
        request.header("idempotency-key", "one").send()
    };
    let first = send(json!({"title": "First"})).await.expect(201);
    client.patch(&path, &json!({"name": "Other"})).send().await.expect(200);
    let replay = send(json!({"title": "First"})).await.expect(201);
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
    assert_eq!(replay.json()["version"], first.json()["version"]);
    assert_eq!(versions(&client, &path).await, [1], "the later draft was not published");
    let reused = send(json!({"title": "Other"})).await.expect(422);
    assert_eq!(reused.text("/code"), "idempotency_key_reused");
}

#[tokio::test]
async fn a_draft_that_may_not_be_used_is_not_published() {
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    let path = create(&app.client(), &an_agent().with_tools(6).build()).await;
    let publish = |path: &str| app.client().post(&format!("{path}/publish"), &json!({})).send();
    app.set_tier("acme", "free", [].into()).await;
    let refused = publish(&path).await.expect(403);
    assert_eq!(
        (refused.text("/code").as_str(), refused.text("/errors/0/code").as_str()),
        ("entitlement_exceeded", "tools_limit")
    );
    app.client().post(&format!("{path}/archive"), &json!({})).send().await.expect(200);
    publish(&path).await.expect(409);
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    for bad in [json!({"title": ""}), json!({"notes": "x".repeat(4_001)}), json!({"version": 1}), json!([])] {
        client.post(&format!("{path}/publish"), &bad).send().await.expect(422);
    }
    let stale = client.post(&format!("{path}/publish"), &json!({})).header("if-match", "\"2\"");
    stale.send().await.expect(412);
    assert_eq!(app.sort_keys(&format!("T#acme#A#{}", &path[11..]), "V#"), Vec::<String>::new());
}

#[tokio::test]
async fn an_agent_may_be_created_with_its_first_version() {
    let app = App::start().await;
    let client = app.client();
    let created = client.post("/v1/agents?publish=true", &an_agent().build()).send().await.expect(201);
    assert_eq!(
        (created.json()["published_version"].clone(), created.json()["rev"].clone()),
        (json!(1), json!(2))
    );
    assert_eq!(created.header("etag"), Some("\"2\""));
    let scopes = Some(vec!["agents:write".to_owned()]);
    let writer = app.client_with(&TokenRequest { scopes, ..TokenRequest::for_tenant("acme") });
    let refused = writer.post("/v1/agents?publish=true", &an_agent().build()).send().await.expect(403);
    assert_eq!(refused.text("/code"), "insufficient_scope");
    assert_eq!(client.get("/v1/usage").send().await.json()["agents"]["used"], 1);
    // A creation that ended before its publication goes on when it is repeated.
    let create = |query: &str| {
        let request = client.post(&format!("/v1/agents{query}"), &an_agent().build());
        request.header("idempotency-key", "k").send()
    };
    create("").await.expect(201);
    let resumed = create("?publish=true").await.expect(201);
    assert_eq!(resumed.json()["published_version"], 1);
    // What someone has changed meanwhile is theirs to publish.
    let again = |query: &str| {
        let request = client.post(&format!("/v1/agents{query}"), &an_agent().build());
        request.header("idempotency-key", "other").send()
    };
    let path = again("").await.expect(201).header("location").expect("a location").to_owned();
    app.client_as("bob").patch(&path, &json!({"name": "Bob's"})).send().await.expect(200);
    assert_eq!(again("?publish=true").await.expect(201).json()["published_version"], Value::Null);
}

#[tokio::test]
async fn restoring_a_version_makes_its_content_the_draft() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().with("tags", json!(["eu"])).build()).await;
    publish(&client, &path).await;
    publish_as(&client, &path, "Two").await;
    let before = client.get(&path).send().await.json();
    let restored = client.post(&format!("{path}/versions/1/restore"), &json!({})).send().await.expect(200);
    assert_eq!(
        (restored.text("/name").as_str(), restored.json()["unpublished_changes"].clone()),
        ("Support", json!(true))
    );
    assert_eq!(restored.json()["aliases"], before["aliases"], "live is not the draft");
    let again = client.post(&format!("{path}/versions/1/restore"), &json!({})).send().await.expect(200);
    assert_eq!(again.json(), restored.json(), "there is nothing to do");
    for unknown in ["2", "99", "0", "-1", "1x", "01", "+1", "18446744073709551616"] {
        client.post(&format!("{path}/versions/{unknown}/restore"), &json!({})).send().await.expect(404);
        client.get(&format!("{path}/versions/{unknown}")).send().await.expect(404);
    }
}

#[tokio::test]
async fn rolling_back_leads_live_to_the_version_before_or_the_one_that_is_named() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    let rollback = |said: Value| client.post(&format!("{path}/rollback"), &said).send();
    assert_eq!(rollback(json!({})).await.expect(409).text("/code"), "unpublished");
    let first = publish(&client, &path).await;
    assert_eq!(rollback(json!({})).await.expect(409).text("/code"), "conflict");
    let second = publish_as(&client, &path, "Two").await;
    let third = publish_as(&client, &path, "Three").await;
    let leads = async || live(&client, &path).await["routes"][0]["version"].as_u64();
    let rolled = rollback(json!({})).await.expect(200);
    assert_eq!(rolled.json()["aliases"]["live"]["routes"], json!([{"version": second, "weight": 100}]));
    assert_eq!(rolled.text("/name"), "Three", "the draft stays");
    rollback(json!({"version": first})).await.expect(200);
    assert_eq!(leads().await, Some(first));
    let rev = client.get(&path).send().await.json()["rev"].clone();
    let again = rollback(json!({"version": first})).await.expect(200);
    assert_eq!(again.json()["rev"], rev, "it was there already");
    rollback(json!({"version": third})).await.expect(200);
    let unknown = rollback(json!({"version": 2})).await.expect(422);
    assert_eq!(unknown.text("/errors/0/code"), "unknown_version");
    for bad in [json!({"version": 0}), json!({"version": "1"}), json!({"to": 1})] {
        rollback(bad).await.expect(422);
    }
}

#[tokio::test]
async fn the_oldest_versions_go_beyond_the_tier_s_number_but_none_that_an_alias_uses() {
    let app = App::start().await;
    let overrides = BTreeMap::from([(LimitName::VersionsKept, Some(3))]);
    app.set_tier("acme", "pro", overrides).await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    let first = publish(&client, &path).await;
    let pinned = json!({"routes": [{"version": first, "weight": 1}]});
    client.put(&format!("{path}/aliases/pinned"), &pinned).send().await.expect(201);
    let mut numbers = vec![first];
    for index in 0..5 {
        numbers.push(publish_as(&client, &path, &format!("n{index}")).await);
    }
    assert_eq!(versions(&client, &path).await, [numbers[5], numbers[4], first]);
    client.get(&format!("{path}/versions/{}", numbers[2])).send().await.expect(404);
    // What is no version any more is removed in the background.
    let partition = format!("T#acme#A#{}", &path[11..]);
    assert_eq!(app.sort_keys(&partition, "V#").len(), 6);
    app.settle().await;
    assert_eq!(app.sort_keys(&partition, "V#").len(), 3);
    client.get(&format!("{path}/versions/{first}")).send().await.expect(200);
    client.delete(&path).send().await.expect(204);
    app.settle().await;
    assert_eq!(app.sort_keys(&partition, "V#"), Vec::<String>::new());
    assert!(app.item(&partition, "#P").is_some_and(|live| live["deleted"]["BOOL"] == true));
}

#[tokio::test]
async fn a_revived_agent_has_none_of_the_deleted_one_s_versions() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().keyed("k").build()).await;
    publish(&client, &path).await;
    client.delete(&path).send().await.expect(204);
    client.get(&format!("{path}/resolved")).send().await.expect(404);
    assert_eq!(create(&client, &an_agent().keyed("k").build()).await, path);
    assert_eq!(versions(&client, &path).await, Vec::<u64>::new());
    client.get(&format!("{path}/versions/1")).send().await.expect(404);
    assert_eq!(client.get(&format!("{path}/resolved")).send().await.expect(409).text("/code"), "unpublished");
    app.settle().await;
    let number = publish(&client, &path).await;
    assert!(number > 3, "{number}");
    client.get(&format!("{path}/resolved")).send().await.expect(200);
}

#[tokio::test]
async fn pages_of_versions_meet_each_version_once() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    let mut numbers = vec![publish(&client, &path).await];
    for index in 0..6 {
        numbers.push(publish_as(&client, &path, &format!("n{index}")).await);
    }
    numbers.reverse();
    let (mut found, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = client.get(&format!("{path}/versions{query}")).send().await.expect(200).json();
        found.extend(
            page["items"]
                .as_array()
                .expect("rows")
                .iter()
                .map(|row| row["version"].as_u64().expect("a number")),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(found, numbers);
    let other = create(&client, &an_agent().build()).await;
    let cursor = query.rsplit('=').next().expect("a cursor");
    let foreign = client.get(&format!("{other}/versions?cursor={cursor}")).send().await.expect(400);
    assert_eq!(foreign.text("/code"), "invalid_cursor");
}
