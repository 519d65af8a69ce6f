use harness::{App, Client, Fault, an_agent};
use http::Method;
use insta::assert_snapshot;
use serde_json::{Value, json};

async fn create(client: &Client<'_>, document: &Value) -> String {
    let created = client.post("/v1/agents", document).send().await.expect(201);
    created.header("location").expect("a location").to_owned()
}

async fn used(client: &Client<'_>) -> u64 {
    client.get("/v1/usage").send().await.expect(200).json()["agents"]["used"].as_u64().expect("a number")
}

async fn delete(client: &Client<'_>, path: &str) {
    client.request(Method::DELETE, path).header("if-match", "*").send().await.expect(204);
}

#[tokio::test]
async fn archiving_takes_an_agent_out_of_the_quota_and_restoring_brings_it_back() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    let archived = client.post(&format!("{path}/archive"), &json!({})).send().await;
    assert_snapshot!(archived);
    assert_eq!(used(&client).await, 0);
    let again = client.request(Method::POST, &format!("{path}/archive")).send().await.expect(200);
    assert_eq!(again.json(), archived.json(), "archiving twice is archiving once");
    let restored = client.request(Method::POST, &format!("{path}/restore")).send().await.expect(200);
    assert_eq!(
        (restored.text("/status").as_str(), restored.json()["archived_at"].is_null()),
        ("active", true)
    );
    assert_eq!(used(&client).await, 1);
    let again = client.request(Method::POST, &format!("{path}/restore")).send().await.expect(200);
    assert_eq!(again.json(), restored.json());
}

#[tokio::test]
async fn restoring_needs_room_in_the_quota() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    client.request(Method::POST, &format!("{path}/archive")).send().await.expect(200);
    for _ in 0..5 {
        create(&client, &an_agent().build()).await;
    }
    let refused = client.request(Method::POST, &format!("{path}/restore")).send().await.expect(403);
    assert_eq!(refused.text("/errors/0/code"), "agents_limit");
    app.set_tier("acme", "pro", [].into()).await;
    app.client().request(Method::POST, &format!("{path}/restore")).send().await.expect(200);
    assert_eq!(used(&app.client()).await, 6);
}

#[tokio::test]
async fn an_archived_agent_is_read_only() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().keyed("k").build()).await;
    client.request(Method::POST, &format!("{path}/archive")).send().await.expect(200);
    let patch = client.request(Method::PATCH, &path).json(&json!({"name": "Other"})).header("if-match", "*");
    assert_snapshot!(patch.header("content-type", "application/merge-patch+json").send().await);
    let upsert = client.request(Method::PUT, "/v1/agents/by-key/k").json(&an_agent().named("Other").build());
    upsert.send().await.expect(409);
}

#[tokio::test]
async fn actions_honour_if_match_and_say_nothing_else() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    let archive = |body: Value| client.post(&format!("{path}/archive"), &body);
    archive(json!({})).header("if-match", "\"2\"").send().await.expect(412);
    archive(json!({"reason": "x"})).send().await.expect(422);
    archive(json!([])).send().await.expect(422);
    archive(json!({})).header("if-match", "\"1\"").send().await.expect(200);
}

#[tokio::test]
async fn transferring_gives_an_agent_another_owner() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    let transfer = |body: Value| client.post(&format!("{path}/transfer"), &body);
    let moved = transfer(json!({"owner": "ann"})).send().await.expect(200);
    assert_eq!((moved.text("/owner").as_str(), moved.json()["rev"].as_u64()), ("ann", Some(2)));
    let again = transfer(json!({"owner": "ann"})).send().await.expect(200);
    assert_eq!(again.json()["rev"], 2);
    for bad in [json!({}), json!({"owner": ""}), json!({"owner": "a b"}), json!({"owner": 1}), json!(["ann"])]
    {
        transfer(bad).send().await.expect(422);
    }
}

#[tokio::test]
async fn a_deleted_agent_is_gone_from_everywhere() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    let without = client.request(Method::DELETE, &path).send().await;
    assert_eq!(without.expect(428).text("/code"), "precondition_required");
    let stale = client.request(Method::DELETE, &path).header("if-match", "\"2\"").send().await;
    assert_eq!(stale.expect(412).text("/code"), "precondition_failed");
    assert_snapshot!(client.request(Method::DELETE, &path).header("if-match", "\"1\"").send().await);
    client.get(&path).send().await.expect(404);
    client.request(Method::DELETE, &path).header("if-match", "*").send().await.expect(404);
    assert_eq!(client.get("/v1/agents").send().await.json()["items"], json!([]));
    assert_eq!(used(&client).await, 0);
}

#[tokio::test]
async fn deleting_an_archived_agent_leaves_the_quota_alone() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    create(&client, &an_agent().build()).await;
    client.request(Method::POST, &format!("{path}/archive")).send().await.expect(200);
    delete(&client, &path).await;
    assert_eq!(used(&client).await, 1);
}

#[tokio::test]
async fn creating_under_a_deleted_agent_s_key_revives_its_id_and_rev_goes_on() {
    let app = App::start().await;
    let client = app.client();
    let keyed = an_agent().keyed("k").build();
    let path = create(&client, &keyed).await;
    delete(&client, &path).await;
    let revived = client.post("/v1/agents", &keyed).send().await.expect(201);
    assert_eq!(revived.header("location"), Some(path.as_str()));
    assert_eq!(revived.json()["rev"], 3);
    assert_eq!(client.get(&path).send().await.expect(200).json(), revived.json());
    assert_eq!(used(&client).await, 1);
}

#[tokio::test]
async fn a_replay_of_what_was_deleted_is_refused_and_another_request_is_not() {
    let app = App::start().await;
    let client = app.client();
    for document in [an_agent().build(), an_agent().keyed("k").build()] {
        let create = |key: &str| client.post("/v1/agents", &document).header("idempotency-key", key).send();
        let path = create("one").await.expect(201).header("location").expect("a location").to_owned();
        delete(&client, &path).await;
        assert_eq!(create("one").await.expect(409).text("/code"), "deleted");
        create("two").await.expect(201);
        let key = json!("one");
        let other = an_agent().named("Other").with("description", key).build();
        let reused = client.post("/v1/agents", &other).header("idempotency-key", "one").send().await;
        assert_eq!(reused.expect(422).text("/code"), "idempotency_key_reused");
    }
}

#[tokio::test]
async fn lost_answers_to_archive_restore_and_delete_are_no_failures() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    for action in ["archive", "restore"] {
        app.recorder.break_next([Fault::None, Fault::AnswerLost]);
        client.request(Method::POST, &format!("{path}/{action}")).send().await.expect(200);
    }
    let got = client.get(&path).send().await;
    assert_eq!((got.json()["rev"].as_u64(), used(&client).await), (Some(3), 1));
    app.recorder.break_next([Fault::None, Fault::AnswerLost]);
    delete(&client, &path).await;
    assert_eq!(used(&client).await, 0);
}

#[tokio::test]
async fn a_copy_is_an_agent_of_its_own() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().keyed("k").with("tags", json!(["eu"])).build()).await;
    let duplicate = |body: Value| client.post(&format!("{path}/duplicate"), &body);
    let copy = client.request(Method::POST, &format!("{path}/duplicate")).send().await.expect(201);
    assert_snapshot!(copy);
    let keyed = duplicate(json!({"key": "k2", "name": "Second"})).send().await.expect(201);
    assert_eq!((keyed.text("/key").as_str(), keyed.text("/name").as_str()), ("k2", "Second"));
    assert_eq!(duplicate(json!({"key": "k"})).send().await.expect(409).text("/code"), "key_taken");
    for bad in [json!({"tags": []}), json!({"name": ""}), json!({"key": "no spaces"}), json!(["x"])] {
        duplicate(bad).send().await.expect(422);
    }
    let replayed = |key: &str| duplicate(json!({})).header("idempotency-key", key).send();
    let first = replayed("d").await.expect(201);
    assert_eq!(replayed("d").await.expect(201).json(), first.json());
    let long = create(&client, &an_agent().named(&"é".repeat(200)).build()).await;
    let copy = client.request(Method::POST, &format!("{long}/duplicate")).send().await;
    assert_eq!(copy.status, 403, "the sixth agent of a free tenant");
}

#[tokio::test]
async fn a_copy_s_replay_outlives_its_original() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    let duplicate = |key: &str| {
        let copy = client.post(&format!("{path}/duplicate"), &json!({}));
        copy.header("idempotency-key", key).send()
    };
    let stale = client.post(&format!("{path}/duplicate"), &json!({})).header("if-match", "\"2\"");
    stale.send().await.expect(412);
    let copy = duplicate("one").await.expect(201);
    delete(&client, &path).await;
    let replay = duplicate("one").await.expect(201);
    assert_eq!((replay.json(), replay.header("idempotent-replayed")), (copy.json(), Some("true")));
    duplicate("two").await.expect(404);
}

#[tokio::test]
async fn a_replay_of_what_was_deleted_is_told_before_the_tier_is_judged() {
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    let create = |name: &str| {
        let document = an_agent().named(name).with_tools(6).build();
        app.client().post("/v1/agents", &document).header("idempotency-key", "one").send()
    };
    let path = create("a").await.expect(201).header("location").expect("a location").to_owned();
    delete(&app.client(), &path).await;
    app.set_tier("acme", "free", [].into()).await;
    assert_eq!(create("a").await.expect(409).text("/code"), "deleted");
    assert_eq!(create("b").await.expect(422).text("/code"), "idempotency_key_reused");
}

#[tokio::test]
async fn a_tombstone_past_its_400_days_is_gone() {
    let app = App::start().await;
    let create =
        || app.client().post("/v1/agents", &an_agent().build()).header("idempotency-key", "one").send();
    let path = create().await.expect(201).header("location").expect("a location").to_owned();
    delete(&app.client(), &path).await;
    app.advance(std::time::Duration::from_hours(400 * 24 - 1));
    create().await.expect(409);
    app.advance(std::time::Duration::from_hours(1));
    create().await.expect(201);
}
