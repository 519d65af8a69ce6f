use harness::{App, an_agent};
use http::Method;
use insta::assert_snapshot;
use serde_json::json;

#[tokio::test]
async fn a_valid_document_is_valid_and_not_saved() {
    let app = App::start().await;
    assert_snapshot!(app.client().post("/v1/agents/validate", &an_agent().build()).send().await);
    assert_eq!(app.client().get("/v1/agents").send().await.json()["items"], json!([]));
}

#[tokio::test]
async fn shape_tier_and_quota_are_all_told_with_200() {
    let app = App::start().await;
    let client = app.client();
    let validate = async |document: serde_json::Value| {
        client.post("/v1/agents/validate", &document).send().await.expect(200).json()
    };
    let shape = validate(json!({"name": 1, "rev": 2})).await;
    assert_eq!(shape["valid"], false);
    let pointers: Vec<_> =
        shape["violations"].as_array().expect("a list").iter().map(|v| &v["pointer"]).collect();
    assert_eq!(pointers, ["/name", "/rev"]);
    for _ in 0..5 {
        app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    let tier = validate(an_agent().with_tools(6).build()).await;
    let codes: Vec<_> = tier["violations"].as_array().expect("a list").iter().map(|v| &v["code"]).collect();
    assert_eq!(codes, ["tools_limit", "agents_limit"]);
    app.client().post("/v1/agents/validate", &json!(null)).body("{").send().await.expect(400);
}

#[tokio::test]
async fn a_draft_is_held_against_the_tier_as_it_is_now() {
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    let document = an_agent().with_tools(6).build();
    let created = app.client().post("/v1/agents", &document).send().await.expect(201);
    let path = format!("{}/validate", created.header("location").expect("a location"));
    let good = app.client().request(Method::POST, &path).send().await.expect(200);
    assert_eq!(good.json()["valid"], true);
    app.set_tier("acme", "free", [].into()).await;
    assert_snapshot!(app.client().request(Method::POST, &path).send().await);
}

#[tokio::test]
async fn a_taken_key_is_a_violation() {
    let app = App::start().await;
    let keyed = an_agent().keyed("k").build();
    app.client().post("/v1/agents", &keyed).send().await.expect(201);
    let verdict = app.client().post("/v1/agents/validate", &keyed).send().await.expect(200);
    assert_eq!(verdict.text("/violations/0/code"), "key_taken");
}
