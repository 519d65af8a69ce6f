use harness::{App, an_agent};
use insta::assert_snapshot;

#[tokio::test]
async fn an_unknown_id_another_tenant_s_and_a_malformed_one_answer_alike() {
    let app = App::start().await;
    let created = app.client_of("other").post("/v1/agents", &an_agent().build()).send().await.expect(201);
    let theirs = created.text("/id");
    let mut answers = Vec::new();
    for id in [
        theirs.as_str(),
        "agt_00000000000000000000000000",
        "agt_",
        "x%00y",
        "%F0%9F%92%A9",
        "..%2F..",
        "a%20b",
    ] {
        answers.push(app.client().get(&format!("/v1/agents/{id}")).send().await.expect(404).to_string());
    }
    assert_snapshot!(answers[0]);
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn an_unchanged_agent_is_304() {
    let app = App::start().await;
    let created = app.client().post("/v1/agents", &an_agent().build()).send().await;
    let path = created.header("location").expect("a location").to_owned();
    assert_snapshot!(app.client().get(&path).header("if-none-match", "\"1\"").send().await);
    app.client().get(&path).header("if-none-match", "\"2\"").send().await.expect(200);
}

#[tokio::test]
async fn fields_select_members() {
    let app = App::start().await;
    let created = app.client().post("/v1/agents", &an_agent().build()).send().await;
    let path = created.header("location").expect("a location").to_owned();
    assert_snapshot!(app.client().get(&format!("{path}?fields=name,rev")).send().await);
    for bad in ["fields=", "fields=name,,rev", "fields=secret", "fields=name&fields=rev", "color=red"] {
        let answer = app.client().get(&format!("{path}?{bad}")).send().await.expect(400);
        assert_eq!(answer.text("/code"), "invalid_parameter", "{bad}");
    }
}

#[tokio::test]
async fn an_agent_is_found_by_its_key_in_its_tenant() {
    let app = App::start().await;
    let created = app.client().post("/v1/agents", &an_agent().keyed("k").build()).send().await.expect(201);
    let path = "/v1/agents/by-key/k";
    let got = app.client().get(path).send().await.expect(200);
    assert_eq!((got.json(), got.header("etag")), (created.json(), Some("\"1\"")));
    app.client().get(path).header("if-none-match", "\"1\"").send().await.expect(304);
    app.client_of("other").get(path).send().await.expect(404);
    app.client().get("/v1/agents/by-key/none").send().await.expect(404);
}
