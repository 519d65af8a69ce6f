//! Exports, and what comes back of them by an import: agents and templates with their versions, through files that
//! clients fetch and send themselves.

mod hostile;

use harness::{App, an_agent};
use serde_json::{Value, json};

use super::jobs::{items, run};

/// A secret that must not leave the service.
const CANARY: &str = "canary-5f1c";

async fn an_app() -> App {
    let app = App::start().await;
    for tenant in ["acme", "other"] {
        app.set_tier(tenant, "enterprise", [].into()).await;
    }
    app
}

/// A tenant with a template of two versions, an agent made from it, and one with versions, aliases and a sub-agent.
async fn furnish(app: &App) -> Value {
    let client = app.client();
    let agent = json!({
        "name": "Made",
        "config": {"model": {"provider": "anthropic", "id": "claude-haiku-4-5"}, "instructions": "Help {{team}}."},
    });
    let template = json!({
        "name": "Helper",
        "variables": [{"name": "team", "schema": {"type": "string"}}],
        "agent": agent,
        "example": {"team": "Sales"},
    });
    let template = client.post("/v1/templates", &template).send().await.expect(201);
    let template_path = template.header("location").expect("a location").to_owned();
    client.post(&format!("{template_path}/publish"), &json!({"title": "First"})).send().await.expect(201);
    client.patch(&template_path, &json!({"description": "Better"})).send().await.expect(200);
    client.post(&format!("{template_path}/publish"), &json!({})).send().await.expect(201);
    let said = json!({"variables": {"team": "Support"}});
    let made = client.post(&format!("{template_path}/instantiate"), &said).send().await.expect(201);

    let mut document = an_agent().named("Router").build();
    document["config"]["sub_agents"] = json!([{"id": made.text("/id")}]);
    document["config"]["tools"] = json!([{"tool_id": "crm", "config": {"api_key": CANARY, "region": "eu"}}]);
    document["metadata"] = json!({"cost_center": "7", "api_token": CANARY});
    let router = client.post("/v1/agents", &document).send().await.expect(201);
    let path = router.header("location").expect("a location").to_owned();
    let first = client.post(&format!("{path}/publish"), &json!({"title": "One"})).send().await.expect(201);
    client.patch(&path, &json!({"description": "Second"})).send().await.expect(200);
    let second = client.post(&format!("{path}/publish"), &json!({"notes": "why"})).send().await.expect(201);
    let numbers = [first.json()["version"]["version"].clone(), second.json()["version"]["version"].clone()];
    let canary = json!({"routes": [
        {"version": numbers[0], "weight": 90},
        {"version": numbers[1], "weight": 10},
    ], "policy": {"refuse": ["guardrail_removed"]}});
    client.put(&format!("{path}/aliases/canary"), &canary).send().await.expect(201);
    client.patch(&path, &json!({"description": "A draft"})).send().await.expect(200);
    app.settle().await;
    json!({"template": template.text("/id"), "made": made.text("/id"), "router": router.text("/id"), "numbers": numbers})
}

async fn agent(app: &App, tenant: &str, id: &str) -> Value {
    app.client_of(tenant).get(&format!("/v1/agents/{id}")).send().await.expect(200).json()
}

/// The file that a job has written.
async fn file_of(app: &App, job: &str) -> String {
    let said = app.client().get(&format!("/v1/jobs/{job}/file")).send().await.expect(200).json();
    let (status, bytes) = app.fetch("jobs", said["url"].as_str().expect("a URL")).await;
    assert_eq!(
        (status, bytes.len()),
        (200, usize::try_from(said["bytes"].as_u64().unwrap_or(0)).expect("small"))
    );
    String::from_utf8(bytes).expect("text")
}

async fn export(app: &App, said: &Value) -> (Value, String) {
    let job = run(app, said).await;
    let file = file_of(app, &job.text("/id")).await;
    (job.json(), file)
}

/// Imports a file for a tenant by way of an upload.
async fn import(app: &App, tenant: &str, file: &str, said: Value) -> Value {
    let client = app.client_of(tenant);
    let form = client.post("/v1/imports/uploads", &json!({})).send().await.expect(201).json();
    let (status, answer) = app.upload(&form, file.as_bytes()).await;
    assert_eq!(status, 204, "{}", String::from_utf8_lossy(&answer));
    let mut document = said;
    document["format"] = json!("agent_management");
    document["upload_id"] = form["id"].clone();
    let started = client.post("/v1/imports", &document).send().await.expect(202);
    app.settle().await;
    let ended = client.get(started.header("location").expect("a location")).send().await.expect(200).json();
    assert_ne!(ended["ended_at"], Value::Null, "{ended}");
    ended
}

/// What of an agent an export brings to another tenant.
fn brought(agent: &Value) -> Value {
    let mut agent = agent.clone();
    let members = agent.as_object_mut().expect("an object");
    for own in ["id", "rev", "owner", "created_at", "created_by", "updated_at", "updated_by", "template"] {
        members.remove(own);
    }
    agent
}

#[tokio::test]
async fn what_is_exported_comes_back_in_another_tenant_as_it_was() {
    for format in ["ndjson", "json"] {
        let app = an_app().await;
        let there = furnish(&app).await;
        let said = json!({"kind": "export_agents", "format": format, "versions": true, "templates": true});
        let (job, file) = export(&app, &said).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        assert_eq!((&job["total"], &job["outcomes"]["unchanged"]), (&json!(3), &json!(3)), "{job}");
        let result = &job["result"];
        assert_eq!(
            (&result["agents"], &result["templates"], &result["versions"]),
            (&json!(2), &json!(1), &json!(4))
        );
        assert!(!file.contains(CANARY), "no secret leaves: {file}");
        assert!(result["secrets_left_out"].as_u64() >= Some(2), "{result}");

        let job = import(&app, "other", &file, json!({"versions": true, "templates": true})).await;
        let other = app.client_of("other");
        let id = job["id"].as_str().expect("an id");
        let became = other.get(&format!("/v1/jobs/{id}/items")).send().await.expect(200).json();
        assert_eq!(
            (&job["state"], &job["outcomes"]["changed"]),
            (&json!("succeeded"), &json!(3)),
            "{job} {became}"
        );

        let found = other.post("/v1/agents/search", &json!({})).send().await.expect(200).json();
        let named = |name: &str| {
            let rows = found["items"].as_array().expect("rows");
            let row =
                rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name} in {found}"));
            row["id"].as_str().expect("an id").to_owned()
        };
        let (router, made) = (named("Router"), named("Made"));
        let before = agent(&app, "acme", there["router"].as_str().expect("an id")).await;
        let after = agent(&app, "other", &router).await;
        // Its sub-agent is the one that came with it.
        assert_eq!(after["config"]["sub_agents"][0]["id"], json!(made), "{after}");
        assert_eq!(after["config"]["tools"][0]["config"], json!({"region": "eu"}));
        let (mut one, mut two) = (brought(&before), brought(&after));
        for agent in [&mut one, &mut two] {
            agent["config"]["sub_agents"] = Value::Null;
            agent["config"]["tools"] = Value::Null;
            agent["config_hash"] = Value::Null;
            agent["metadata"].as_object_mut().expect("pairs").remove("api_token");
        }
        assert_eq!(one, two, "aliases, versions and drafts are as they were");
        for number in there["numbers"].as_array().expect("numbers") {
            let path = |id: &Value| format!("/v1/agents/{}/versions/{number}", id.as_str().expect("an id"));
            let was = app.client().get(&path(&there["router"])).send().await.expect(200).json();
            let is = other.get(&path(&json!(router))).send().await.expect(200).json();
            for member in ["version", "title", "notes", "name", "description", "tags", "previous"] {
                assert_eq!(is[member], was[member], "{member}");
            }
        }
        // Conversations get what they got before.
        let resolved = other.get(&format!("/v1/agents/{router}/resolved")).send().await.expect(200).json();
        assert_eq!(resolved["version"], there["numbers"][1], "{resolved}");

        let made = agent(&app, "other", &made).await;
        let template = made["template"]["id"].as_str().expect("a template").to_owned();
        assert_ne!(template, there["template"], "it is the tenant's own");
        let path = format!("/v1/templates/{template}/versions/{}", made["template"]["version"]);
        other.get(&path).send().await.expect(200);
        let drift = json!({"agent_id": made["id"]});
        let drift =
            other.post(&format!("/v1/templates/{template}/drift"), &drift).send().await.expect(200).json();
        assert_eq!(drift["changes"].as_array().map_or(0, Vec::len), 0, "{drift}");

        // Once more: all of it is there.
        let again =
            import(&app, "other", &file, json!({"versions": true, "templates": true, "on_conflict": "skip"}))
                .await;
        assert_eq!((&again["state"], &again["skipped"]), (&json!("succeeded"), &json!(3)), "{again}");
    }
}

#[tokio::test]
async fn what_was_deleted_comes_back_with_its_versions_under_numbers_that_were_never_taken() {
    let app = an_app().await;
    let client = app.client();
    let document = an_agent().named("Kept").keyed("kept").build();
    let agent = client.post("/v1/agents?publish=true", &document).send().await.expect(201);
    let path = agent.header("location").expect("a location").to_owned();
    app.settle().await;
    let (_, file) = export(&app, &json!({"kind": "export_agents", "versions": true})).await;
    for _ in 0..3 {
        client.delete(&path).header("if-match", "*").send().await.expect(204);
        app.settle().await;
        let job = import(&app, "acme", &file, json!({"versions": true})).await;
        assert_eq!(
            job["outcomes"]["changed"],
            1,
            "{job} {:?}",
            items(&app, job["id"].as_str().expect("id"), "").await
        );
        app.settle().await;
        let back = client.get(&path).send().await.expect(200).json();
        let version = back["published_version"].as_u64().expect("a version");
        assert_eq!(back["aliases"]["live"]["routes"][0]["version"], version, "{back}");
        assert_eq!(back["unpublished_changes"], false);
        client.get(&format!("{path}/versions/{version}")).send().await.expect(200);
        client.get(&format!("{path}/resolved")).send().await.expect(200);
        // And it goes on from there.
        client.patch(&path, &json!({"description": "More"})).send().await.expect(200);
        client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
    }
}

#[tokio::test]
async fn an_upload_has_a_bound_an_end_and_one_tenant() {
    let app = an_app().await;
    let client = app.client();
    let form = client.post("/v1/imports/uploads", &json!({})).send().await.expect(201).json();
    let said = |id: &Value| json!({"format": "agent_management", "upload_id": id});
    let ended = async |tenant: &str, id: &Value| {
        let client = app.client_of(tenant);
        let started = client.post("/v1/imports", &said(id)).send().await.expect(202);
        app.settle().await;
        client.get(started.header("location").expect("a location")).send().await.expect(200).json()
    };
    assert_eq!(ended("acme", &form["id"]).await["problem"]["code"], "upload_missing");
    assert_eq!(app.upload(&form, b"").await.0, 400, "nothing is no file");
    assert_eq!(app.upload(&form, b"{").await.0, 204);
    let other = ended("other", &form["id"]).await;
    assert_eq!(other["problem"]["code"], "upload_missing", "another tenant's is none: {other}");
    let broken = ended("acme", &form["id"]).await;
    assert_eq!((&broken["state"], &broken["problem"]["code"]), (&json!("failed"), &json!("malformed_body")));
    // Nothing but the one file, and not for long.
    let mut moved = form.clone();
    moved["fields"]["key"] = json!("uploads/other/upl_00000000000000000000000000");
    assert_eq!(app.upload(&moved, b"[]").await.0, 403);
    app.advance(std::time::Duration::from_mins(16));
    assert_eq!(app.upload(&form, b"[]").await.0, 403, "expired");

    for (said, code) in [
        (json!({"format": "agent_management"}), "required"),
        (json!({"format": "agent_management", "content": [], "upload_id": form["id"]}), "one_of"),
        (json!({"format": "agent_management", "upload_id": "upl_1"}), "wrong_type"),
    ] {
        let refused = client.post("/v1/imports", &said).send().await.expect(422).json();
        assert_eq!(refused["errors"][0]["code"], code, "{refused}");
    }
    client.get("/v1/jobs/job_00000000000000000000000000/file").send().await.expect(404);
}

#[tokio::test]
async fn a_dry_run_of_an_import_writes_where_each_leaf_goes() {
    let app = an_app().await;
    furnish(&app).await;
    let said = json!({"kind": "export_agents", "versions": true, "templates": true});
    let (_, file) = export(&app, &said).await;
    let job =
        import(&app, "other", &file, json!({"versions": true, "templates": true, "dry_run": true})).await;
    assert_eq!((&job["state"], &job["outcomes"]["changed"]), (&json!("succeeded"), &json!(3)), "{job}");
    assert_eq!(job["file"]["name"], "fidelity.ndjson");
    let other = app.client_of("other");
    let id = job["id"].as_str().expect("an id");
    let place = other.get(&format!("/v1/jobs/{id}/file")).send().await.expect(200).json();
    let (_, report) = app.fetch("jobs", place["url"].as_str().expect("a URL")).await;
    let report = String::from_utf8(report).expect("text");
    let lines: Vec<&str> = file.lines().collect();
    assert_eq!(report.lines().count(), lines.len());
    for (line, told) in lines.iter().zip(report.lines()) {
        let told: Value = serde_json::from_str(told).expect("JSON");
        let mut from: Vec<String> = Vec::new();
        for list in ["mapped", "defaulted", "dropped"] {
            let entries = told["fidelity"][list].as_array().expect("entries");
            from.extend(entries.iter().map(|entry| entry["from"].as_str().expect("a pointer").to_owned()));
        }
        from.sort();
        let mut leaves = agent_management::import::leaves(&serde_json::from_str(line).expect("JSON"));
        leaves.sort();
        assert_eq!(from, leaves);
    }
    assert_eq!(other.post("/v1/agents/count", &json!({})).send().await.json()["count"], 0, "nothing is made");
}

#[tokio::test]
async fn a_selection_is_exported_and_what_is_missing_is_told() {
    let app = an_app().await;
    let there = furnish(&app).await;
    let ids = json!([there["made"], "agt_00000000000000000000000000"]);
    let (job, file) = export(&app, &json!({"kind": "export_agents", "selector": {"ids": ids}})).await;
    assert_eq!(
        (&job["state"], &job["outcomes"]["missing"], &job["total"]),
        (&json!("succeeded"), &json!(1), &json!(2))
    );
    let lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["agent"]["id"], &lines[0]["agent"]["versions"]), (&there["made"], &Value::Null));
    let (job, file) = export(
        &app,
        &json!({"kind": "export_agents", "format": "json",
        "selector": {"filter": {"tag": "nobody has it"}}}),
    )
    .await;
    let document: Value = serde_json::from_str(&file).expect("JSON");
    assert_eq!((&job["total"], &document["agents"]), (&json!(0), &json!([])), "{job}");

    for (said, pointer) in [
        (json!({"kind": "export_agents", "dry_run": true}), "/dry_run"),
        (json!({"kind": "export_agents", "patch": {}}), "/patch"),
        (json!({"kind": "archive_agents", "selector": {"filter": {}}, "versions": true}), "/versions"),
    ] {
        let refused = app.client().post("/v1/jobs", &said).send().await.expect(422).json();
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
}
