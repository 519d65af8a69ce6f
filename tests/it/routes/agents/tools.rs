use harness::{App, Outgoing, an_agent};
use http::Method;
use insta::assert_snapshot;
use serde_json::{Value, json};

async fn agent(app: &App) -> String {
    let created = app.client().post("/v1/agents", &an_agent().with_tools(2).build()).send().await.expect(201);
    created.header("location").expect("a location").to_owned()
}

fn put<'app>(app: &'app App, path: &str, tool: &str, settings: &Value) -> Outgoing<'app> {
    let path = format!("{path}/tools/{tool}");
    app.client().request(Method::PUT, &path).json(settings).header("if-match", "*")
}

#[tokio::test]
async fn a_tool_is_added_changed_and_removed_by_its_id() {
    let app = App::start().await;
    let path = agent(&app).await;
    let added = put(&app, &path, "search", &json!({"version": "1"})).send().await.expect(200);
    assert_eq!(added.json()["config"]["tools"][2], json!({"tool_id": "search", "version": "1"}));
    let changed = put(&app, &path, "tool-0", &json!({"approval": "always"})).send().await.expect(200);
    assert_eq!(changed.json()["config"]["tools"][0], json!({"tool_id": "tool-0", "approval": "always"}));
    let same = put(&app, &path, "tool-0", &json!({"tool_id": "tool-0", "approval": "always"})).send().await;
    assert_eq!(same.expect(200).json()["rev"], 3);
    let remove =
        || app.client().request(Method::DELETE, &format!("{path}/tools/tool-0")).header("if-match", "*");
    let removed = remove().send().await.expect(200);
    assert_eq!(removed.json()["config"]["tools"].as_array().map(Vec::len), Some(2));
    assert_snapshot!(remove().send().await);
}

#[tokio::test]
async fn tool_ids_are_decoded_from_the_path() {
    let app = App::start().await;
    let path = agent(&app).await;
    let added = put(&app, &path, "mcp%3Afind%40v1", &json!({})).send().await.expect(200);
    assert_eq!(added.text("/config/tools/2/tool_id"), "mcp:find@v1");
    for bad in ["%00", "a%20b", "a%2Fb", "%FF", &"t".repeat(129)] {
        let answer = put(&app, &path, bad, &json!({})).send().await;
        assert!(matches!(answer.status.as_u16(), 404 | 422), "{bad} {answer}");
    }
}

#[tokio::test]
async fn bad_settings_are_pointed_at_where_they_were_sent() {
    let app = App::start().await;
    let path = agent(&app).await;
    let bad = json!({"version": "", "approval": "sometimes", "robot": 1});
    assert_snapshot!(put(&app, &path, "search", &bad).send().await);
    put(&app, &path, "search", &json!({"tool_id": "other"})).send().await.expect(422);
    put(&app, &path, "search", &json!([])).send().await.expect(422);
    app.client().request(Method::PUT, &format!("{path}/tools/x")).json(&json!({})).send().await.expect(428);
}

#[tokio::test]
async fn one_tool_too_many_is_refused() {
    let app = App::start().await;
    let created = app.client().post("/v1/agents", &an_agent().with_tools(5).build()).send().await.expect(201);
    let path = created.header("location").expect("a location");
    let refused = put(&app, path, "sixth", &json!({})).send().await.expect(403);
    assert_eq!(refused.text("/errors/0/code"), "tools_limit");
}
