use harness::{Answer, App, Client, Outgoing, an_agent};
use http::Method;
use insta::assert_snapshot;
use serde_json::{Value, json};

const MERGE: &str = "application/merge-patch+json";
const OPERATIONS: &str = "application/json-patch+json";

fn patch<'app>(client: &Client<'app>, path: &str, media_type: &str, patch: &Value) -> Outgoing<'app> {
    client.request(Method::PATCH, path).json(patch).header("content-type", media_type).header("if-match", "*")
}

async fn created(app: &App) -> (Answer, String) {
    let created = app.client().post("/v1/agents", &an_agent().keyed("k").build()).send().await.expect(201);
    let path = created.header("location").expect("a location").to_owned();
    (created, path)
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names_and_bumps_the_rev() {
    let app = App::start().await;
    let (_, path) = created(&app).await;
    let changes = json!({"description": "New", "config": {"instructions": null, "limits": {"max_steps": 3}}});
    assert_snapshot!(patch(&app.client(), &path, MERGE, &changes).send().await);
    let got = app.client().get(&path).send().await;
    assert_eq!(got.header("etag"), Some("\"2\""));
}

#[tokio::test]
async fn a_json_patch_sees_the_whole_agent_and_may_test_it() {
    let app = App::start().await;
    let (_, path) = created(&app).await;
    let operations = json!([
        {"op": "test", "path": "/rev", "value": 1},
        {"op": "add", "path": "/tags/-", "value": "eu"},
        {"op": "copy", "from": "/key", "path": "/description"},
    ]);
    let answer = patch(&app.client(), &path, OPERATIONS, &operations).send().await.expect(200);
    assert_eq!(answer.json()["tags"], json!(["eu"]));
    assert_eq!(answer.json()["description"], "k");
    assert_snapshot!(patch(&app.client(), &path, OPERATIONS, &operations).send().await);
}

#[tokio::test]
async fn a_patch_that_changes_nothing_writes_nothing() {
    let app = App::start().await;
    let (created, path) = created(&app).await;
    app.recorder.take();
    let same = json!({"name": "Support", "tags": []});
    let answer = patch(&app.client(), &path, MERGE, &same).send().await.expect(200);
    assert_eq!(answer.json(), created.json());
    assert!(app.recorder.take().iter().all(|call| call.write_units == 0.0));
}

#[tokio::test]
async fn the_media_type_is_judged_first_of_all() {
    let app = App::start().await;
    let (_, path) = created(&app).await;
    let outgoing =
        app.client().request(Method::PATCH, &path).header("content-type", "application/json").body("{");
    assert_snapshot!(outgoing.send().await);
    app.client().request(Method::PATCH, &path).body("{").send().await.expect(415);
    let cased = patch(&app.client(), &path, "Application/Merge-Patch+JSON; charset=utf-8", &json!({}));
    cased.send().await.expect(200);
}

#[tokio::test]
async fn a_change_needs_if_match_and_a_stale_one_is_refused() {
    let app = App::start().await;
    let (_, path) = created(&app).await;
    let send = |if_match: Option<&str>| {
        let outgoing = app.client().request(Method::PATCH, &path).json(&json!({"name": "Other"}));
        let outgoing = outgoing.header("content-type", MERGE);
        match if_match {
            Some(if_match) => outgoing.header("if-match", if_match).send(),
            None => outgoing.send(),
        }
    };
    assert_snapshot!("without", send(None).await);
    assert_snapshot!("stale", send(Some("\"2\"")).await);
    for never in ["W/\"1\"", "\"01x\"", "\"0\", W/\"1\""] {
        send(Some(never)).await.expect(412);
    }
    send(Some("1")).await.expect(400);
    send(Some("\"9\", \"1\"")).await.expect(200);
}

#[tokio::test]
async fn what_only_the_service_writes_cannot_be_patched() {
    let app = App::start().await;
    let (_, path) = created(&app).await;
    for member in ["id", "key", "rev", "status", "owner", "created_at", "updated_by", "config_hash", "robot"]
    {
        let merge = json!({member: "x"});
        let answer = patch(&app.client(), &path, MERGE, &merge).send().await.expect(422);
        assert_eq!(answer.text("/errors/0/pointer"), format!("/{member}"));
        let operations = json!([{"op": "add", "path": format!("/{member}"), "value": "x"}]);
        let answer = patch(&app.client(), &path, OPERATIONS, &operations).send().await.expect(422);
        assert_eq!(answer.text("/errors/0/pointer"), format!("/{member}"));
        let operations = json!([{"op": "remove", "path": format!("/{member}")}]);
        patch(&app.client(), &path, OPERATIONS, &operations).send().await.expect(422);
    }
    let got = app.client().get(&path).send().await;
    assert_eq!(got.header("etag"), Some("\"1\""));
}

#[tokio::test]
async fn a_patch_that_does_not_apply_or_fit_changes_nothing() {
    let app = App::start().await;
    let (created, path) = created(&app).await;
    for (media_type, document, status) in [
        (MERGE, json!({"name": null}), 422),
        (MERGE, json!({"name": ["Support"]}), 422),
        (MERGE, json!([]), 422),
        (MERGE, json!("x"), 422),
        (MERGE, json!({"config": []}), 422),
        (MERGE, json!({"config": {"model": ["anthropic", "claude-haiku-4-5"]}}), 422),
        (MERGE, json!({"config": {"model": {"id": "claude-opus-4-5"}}}), 403),
        (OPERATIONS, json!({}), 422),
        (OPERATIONS, json!([{"op": "remove", "path": "/none"}]), 422),
        (OPERATIONS, json!([{"op": "replace", "path": "", "value": 1}]), 422),
        (OPERATIONS, json!([{"op": "remove", "path": "/name"}]), 422),
        (OPERATIONS, json!([{"op": "add", "path": "/tags/5", "value": "x"}]), 422),
        (OPERATIONS, json!([{"op": "test", "path": "/name", "value": "Other"}]), 409),
        (OPERATIONS, json!(vec![json!({"op": "test", "path": "/name", "value": "Support"}); 501]), 422),
    ] {
        let answer = patch(&app.client(), &path, media_type, &document).send().await;
        assert_eq!(answer.status.as_u16(), status, "{document:.200} {answer}");
    }
    assert_eq!(app.client().get(&path).send().await.json(), created.json());
}

#[tokio::test]
async fn a_patch_that_would_nest_without_end_is_refused() {
    let app = App::start().await;
    let (_, path) = created(&app).await;
    let mut operations = vec![json!({"op": "add", "path": "/config/variables_schema", "value": {"a": {}}})];
    operations.extend((0..90).map(|_| {
        json!({
            "op": "copy", "from": "/config/variables_schema", "path": "/config/variables_schema/a",
        })
    }));
    let answer = patch(&app.client(), &path, OPERATIONS, &json!(operations)).send().await.expect(422);
    assert_eq!(answer.text("/errors/0/code"), "too_deep");
    app.client().get(&path).send().await.expect(200);
}

#[tokio::test]
async fn a_lost_answer_to_an_update_is_no_conflict_and_one_rev() {
    let app = App::start().await;
    let (_, path) = created(&app).await;
    app.recorder.break_next([harness::Fault::None, harness::Fault::AnswerLost]);
    let outgoing = app.client().request(Method::PATCH, &path).json(&json!({"name": "Other"}));
    let answer = outgoing.header("content-type", MERGE).header("if-match", "\"1\"").send().await.expect(200);
    assert_eq!((answer.json()["rev"].as_u64(), answer.text("/name").as_str()), (Some(2), "Other"));
    assert_eq!(app.client().get(&path).send().await.json(), answer.json());
}

#[tokio::test]
async fn a_json_patch_may_add_to_a_list_that_is_empty() {
    let app = App::start().await;
    let (_, path) = created(&app).await;
    let operations = json!([{"op": "add", "path": "/config/tools/-", "value": {"tool_id": "search"}}]);
    let answer = patch(&app.client(), &path, OPERATIONS, &operations).send().await.expect(200);
    assert_eq!(answer.json()["config"]["tools"], json!([{"tool_id": "search"}]));
}
