use harness::{App, Outgoing, an_agent};
use http::Method;
use insta::assert_snapshot;
use serde_json::{Value, json};

fn put<'app>(app: &'app App, key: &str, document: &Value) -> Outgoing<'app> {
    app.client().request(Method::PUT, &format!("/v1/agents/by-key/{key}")).json(document)
}

#[tokio::test]
async fn the_first_upsert_creates_the_next_change_or_do_nothing() {
    let app = App::start().await;
    assert_snapshot!(put(&app, "support", &an_agent().build()).send().await);
    let same = put(&app, "support", &an_agent().keyed("support").build()).send().await.expect(200);
    assert_eq!(same.json()["rev"], 1);
    let changed = put(&app, "support", &an_agent().named("Other").build()).send().await.expect(200);
    assert_eq!((changed.json()["rev"].as_u64(), changed.text("/name").as_str()), (Some(2), "Other"));
}

#[tokio::test]
async fn an_upsert_replaces_the_whole_content() {
    let app = App::start().await;
    let full = an_agent().with("description", json!("x")).with("tags", json!(["eu"])).with_tools(2).build();
    put(&app, "k", &full).send().await.expect(201);
    let bare = put(&app, "k", &an_agent().build()).send().await.expect(200).json();
    assert_eq!(
        (&bare["description"], &bare["tags"], &bare["config"]["tools"]),
        (&json!(null), &json!([]), &json!(null))
    );
}

#[tokio::test]
async fn an_upsert_honours_if_match() {
    let app = App::start().await;
    let document = an_agent().build();
    put(&app, "k", &document).header("if-match", "*").send().await.expect(412);
    put(&app, "k", &document).send().await.expect(201);
    let other = an_agent().named("Other").build();
    put(&app, "k", &other).header("if-match", "\"2\"").send().await.expect(412);
    put(&app, "k", &other).header("if-match", "\"1\"").send().await.expect(200);
}

#[tokio::test]
async fn an_upsert_revives_what_was_deleted() {
    let app = App::start().await;
    let created = put(&app, "k", &an_agent().build()).send().await.expect(201);
    let path = created.header("location").expect("a location").to_owned();
    app.client().request(Method::DELETE, &path).header("if-match", "*").send().await.expect(204);
    let revived = put(&app, "k", &an_agent().build()).send().await.expect(201);
    assert_eq!((revived.header("location"), revived.json()["rev"].as_u64()), (Some(path.as_str()), Some(3)));
}

#[tokio::test]
async fn the_key_in_the_document_is_the_one_in_the_path() {
    let app = App::start().await;
    assert_snapshot!(put(&app, "a", &an_agent().keyed("b").build()).send().await);
    for bad in ["%20", "-a", "a%2Fb", "a%00", &"k".repeat(129)] {
        put(&app, bad, &an_agent().build()).send().await.expect(404);
    }
    put(&app, "%61%2D1", &an_agent().build()).send().await.expect(201);
    put(&app, "a-1", &an_agent().build()).send().await.expect(200);
}

#[tokio::test]
async fn an_upsert_is_judged_by_the_tier_and_the_quota() {
    let app = App::start().await;
    put(&app, "k", &an_agent().with_tools(6).build()).send().await.expect(403);
    put(&app, "k", &an_agent().build()).send().await.expect(201);
    put(&app, "k", &an_agent().with_tools(6).build()).send().await.expect(403);
    for index in 0..4 {
        put(&app, &format!("k{index}"), &an_agent().build()).send().await.expect(201);
    }
    let refused = put(&app, "sixth", &an_agent().build()).send().await.expect(403);
    assert_eq!(refused.text("/errors/0/code"), "agents_limit");
    put(&app, "k", &an_agent().named("Other").build()).send().await.expect(200);
}

#[tokio::test]
async fn if_none_match_creates_only() {
    let app = App::start().await;
    let create = || put(&app, "k", &an_agent().named("Other").build()).header("if-none-match", "*").send();
    create().await.expect(201);
    assert_eq!(create().await.expect(412).text("/code"), "precondition_failed");
}

#[tokio::test]
async fn if_none_match_is_a_star_or_a_mistake() {
    let app = App::start().await;
    let document = an_agent().build();
    for bad in ["\"1\"", "robots", "", "*, \"1\"", "W/\"1\""] {
        let refused = put(&app, "k", &document).header("if-none-match", bad).send().await.expect(400);
        assert_eq!(refused.text("/code"), "invalid_parameter", "{bad}");
    }
    let twice = put(&app, "k", &document).header("if-none-match", "*").also_header("if-none-match", "*");
    twice.send().await.expect(400);
    app.client().get("/v1/agents/by-key/k").send().await.expect(404);
    put(&app, "k", &document).header("if-none-match", " * ").send().await.expect(201);
}

#[tokio::test]
async fn an_unchanged_archived_agent_is_as_declared() {
    let app = App::start().await;
    let document = an_agent().build();
    let created = put(&app, "k", &document).send().await.expect(201);
    let path = format!("{}/archive", created.header("location").expect("a location"));
    app.client().request(Method::POST, &path).send().await.expect(200);
    put(&app, "k", &document).send().await.expect(200);
    put(&app, "k", &an_agent().named("Other").build()).send().await.expect(409);
}
