//! What files must not do: get a tenant past its tier, leave with secrets, or be too much for whoever reads them.

use harness::{App, an_agent};
use local::issuer::TokenRequest;
use serde_json::{Value, json};

use super::{an_app, export, import};
use crate::routes::jobs::items;

/// An agent with one version, which `live` leads to.
fn an_export(number: u64) -> Value {
    let content = an_agent().named("Brought").build();
    let mut version = content.clone();
    version["version"] = json!(number);
    let mut agent = content;
    agent["versions"] = json!([version]);
    agent["aliases"] = json!({"live": {"routes": [{"version": number, "weight": 100}]}});
    json!({"agent": agent})
}

async fn outcome(app: &App, tenant: &str, file: &Value, said: Value) -> Value {
    let job = import(app, tenant, &file.to_string(), said).await;
    let path = format!("/v1/jobs/{}/items", job["id"].as_str().expect("an id"));
    let page = app.client_of(tenant).get(&path).send().await.expect(200).json();
    if page["items"] == json!([]) { job } else { page["items"][0].clone() }
}

#[tokio::test]
async fn no_version_comes_that_the_tier_does_not_admit() {
    let app = an_app().await;
    app.set_tier("small", "free", [].into()).await;
    let mut file = an_export(2);
    let mut beyond = file["agent"]["versions"][0].clone();
    beyond["version"] = json!(1);
    beyond["config"]["instructions"] = json!("x".repeat(20_000));
    file["agent"]["versions"].as_array_mut().expect("versions").insert(0, beyond);
    let item = outcome(&app, "small", &file, json!({"versions": true})).await;
    assert_eq!(
        (&item["outcome"], &item["problem"]["code"]),
        (&json!("refused"), &json!("entitlement_exceeded"))
    );
    assert_eq!(item["problem"]["errors"][0]["pointer"], "/versions/0/config/instructions", "{item}");
    let made = outcome(&app, "small", &file, json!({})).await;
    assert_eq!(made["outcome"], "changed", "without its versions it fits: {made}");
}

#[tokio::test]
async fn a_version_s_number_leaves_room_for_those_that_follow() {
    let app = an_app().await;
    let item = outcome(&app, "other", &an_export(999_999_999_999), json!({"versions": true})).await;
    assert_eq!(
        (&item["outcome"], &item["problem"]["errors"][0]["code"]),
        (&json!("refused"), &json!("out_of_range"))
    );
    let item = outcome(&app, "other", &an_export(99_999_999_999), json!({"versions": true})).await;
    assert_eq!(item["outcome"], "changed", "{item}");
    let other = app.client_of("other");
    let path = format!("/v1/agents/{}", item["id"].as_str().expect("an id"));
    other.patch(&path, &json!({"description": "More"})).send().await.expect(200);
    other.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
    other.get(&format!("{path}/versions")).send().await.expect(200);
}

#[tokio::test]
async fn no_secret_leaves_wherever_it_is() {
    const KEY: &str = "sk-live-0123456789abcdef0123";
    let app = an_app().await;
    let mut document = an_agent().named("Full of them").build();
    document["config"]["tools"] = json!([{"tool_id": "t", "config": {
        "args": ["--header", format!("Bearer {KEY}"), [KEY], "plain"],
        "password": "hunter2-hunter2",
    }}]);
    document["config"]["mcp_servers"] =
        json!([{"name": "m", "url": format!("https://mcp.example.com/sse?api_key={KEY}")}]);
    document["metadata"] =
        json!({"aws": "AKIAIOSFODNN7EXAMPLE", "env": "prod", "jira_key": "ABC", "api_key": "12"});
    let agent = app.client().post("/v1/agents", &document).send().await.expect(201);
    let path = agent.header("location").expect("a location").to_owned();
    let notes = json!({"notes": KEY});
    app.client().post(&format!("{path}/publish"), &notes).send().await.expect(201);
    app.settle().await;
    let (job, file) = export(&app, &json!({"kind": "export_agents", "versions": true})).await;
    for secret in [KEY, "hunter2", "AKIAIOSFODNN7EXAMPLE"] {
        assert!(!file.contains(secret), "{secret} in {file}");
    }
    assert!(job["result"]["secrets_left_out"].as_u64() > Some(8), "{job}");
    let line: Value = serde_json::from_str(&file).expect("JSON");
    assert_eq!(line["agent"]["metadata"], json!({"env": "prod", "jira_key": "ABC"}));
    assert_eq!(line["agent"]["config"]["mcp_servers"][0]["url"], "https://mcp.example.com/sse");
    assert_eq!(line["agent"]["config"]["tools"][0]["config"]["args"], json!(["--header", [], "plain"]));
    let item = outcome(&app, "other", &line, json!({"versions": true})).await;
    assert_eq!(item["outcome"], "changed", "what is left is an agent: {item}");
}

#[tokio::test]
async fn a_file_that_is_too_much_is_refused_before_it_is_read() {
    let app = an_app().await;
    let zeros = format!("{{\"config\":{{\"x\":[{}0]}}}}", "0,".repeat(500_000));
    let many = "{}\n".repeat(100_001);
    let list = format!("[{}1]", "1,".repeat(100_001));
    for (file, code) in [(zeros, "too_large"), (many, "too_large"), (list, "too_large")] {
        let job = import(&app, "other", &file, json!({})).await;
        assert_eq!(
            (&job["state"], &job["problem"]["code"]),
            (&json!("failed"), &json!("validation_failed")),
            "{job}"
        );
        assert_eq!(job["problem"]["errors"][0]["code"], code, "{job}");
    }
    // A tier's bound comes first, whatever the records are.
    app.set_tier("small", "free", [].into()).await;
    let job = import(&app, "small", &"{\"template\":{}}\n".repeat(26), json!({"dry_run": true})).await;
    assert_eq!(job["problem"]["code"], "entitlement_exceeded", "{job}");
    let mut large = an_export(1);
    large["agent"]["config"]["instructions"] = json!("x".repeat(500_000));
    let item = outcome(&app, "other", &large, json!({})).await;
    assert_eq!(
        (&item["outcome"], &item["problem"]["code"]),
        (&json!("refused"), &json!("payload_too_large")),
        "{item}"
    );
    let mut link = an_export(1);
    link["agent"]["template"] = json!({"id": "tpl_00000000000000000000000000", "version": 1,
        "variables": {"x": "y".repeat(10_000)}});
    let item = outcome(&app, "other", &link, json!({})).await;
    assert_eq!(item["problem"]["errors"][0]["pointer"], "/template/variables", "{item}");
    let foreign = json!({"format": "letta", "agents": [an_agent().build()]});
    let job = import(&app, "other", &foreign.to_string(), json!({})).await;
    assert_eq!(job["problem"]["errors"][0]["code"], "other_format", "as the preview says: {job}");
}

#[tokio::test]
async fn an_export_that_is_tried_again_is_a_file_and_shows_templates_to_who_may_read_them() {
    let app = an_app().await;
    let client = app.client();
    let template = json!({"name": "T", "agent": an_agent().build()});
    client.post("/v1/templates", &template).send().await.expect(201);
    for _ in 0..3 {
        client.post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    app.settle().await;
    let said = json!({"kind": "export_agents", "format": "json", "templates": true});
    let started = client.post("/v1/jobs", &said).send().await.expect(202).text("/id");
    client.get(&format!("/v1/jobs/{started}/file")).send().await.expect(409);
    // Planned, and then cancelled before any of it is done.
    crate::flows::jobs::stream(&app).await;
    client.post(&format!("/v1/jobs/{started}/cancel"), &json!({})).send().await.expect(202);
    app.settle().await;
    client.get(&format!("/v1/jobs/{started}/file")).send().await.expect(404);
    let whole = client.post("/v1/jobs", &said).send().await.expect(202).text("/id");
    app.settle().await;
    let path = format!("/v1/jobs/{whole}/file");
    let url = client.get(&path).send().await.expect(200).text("/url");
    let (_, file) = app.fetch("jobs", &url).await;
    let document: Value = serde_json::from_slice(&file).expect("JSON");
    assert_eq!(document["agents"].as_array().map(Vec::len), Some(3));
    let scopes = Some(["jobs:read", "agents:read"].map(str::to_owned).to_vec());
    let reader = app.client_with(&TokenRequest { scopes, ..TokenRequest::for_tenant("acme") });
    reader.get(&path).send().await.expect(403);
    assert_eq!(items(&app, &whole, "").await.len(), 4);
}

#[tokio::test]
async fn what_an_alias_leads_to_is_in_the_file_however_old_it_is() {
    let app = an_app().await;
    let client = app.client();
    let agent = client.post("/v1/agents?publish=true", &an_agent().build()).send().await.expect(201);
    let path = agent.header("location").expect("a location").to_owned();
    for index in 0..46 {
        let large = format!("{index}{}", "x".repeat(190_000));
        client.patch(&path, &json!({"config": {"instructions": large}})).send().await.expect(200);
        client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
    }
    client.post(&format!("{path}/rollback"), &json!({"version": 1})).send().await.expect(200);
    app.settle().await;
    let (job, file) = export(&app, &json!({"kind": "export_agents", "versions": true})).await;
    assert!(job["result"]["versions_left_out"].as_u64() > Some(0), "{job}");
    let line: Value = serde_json::from_str(&file).expect("JSON");
    assert_eq!(line["agent"]["versions"][0]["version"], 1);
    let item = outcome(&app, "other", &line, json!({"versions": true})).await;
    let path = format!("/v1/agents/{}/resolved", item["id"].as_str().expect("an id"));
    let resolved = app.client_of("other").get(&path).send().await.expect(200).json();
    assert_eq!(resolved["version"], 1);
}
