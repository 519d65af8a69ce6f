//! Jobs through their routes: what is asked for, what becomes of each item, and what follows.

use harness::{Answer, App, an_agent};
use http::Method;
use serde_json::{Value, json};

/// An app whose tenant has agents with these names.
pub async fn with_agents(names: &[&str]) -> (App, Vec<String>) {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let mut ids = Vec::new();
    for name in names {
        let agent = app.client().post("/v1/agents", &an_agent().named(name).build()).send().await.expect(201);
        ids.push(agent.text("/id"));
    }
    app.settle().await;
    (app, ids)
}

/// Starts a job and lets it come to its end.
pub async fn run(app: &App, said: &Value) -> Answer {
    let started = app.client().post("/v1/jobs", said).send().await.expect(202);
    app.settle().await;
    let path = started.header("location").expect("a location").to_owned();
    let ended = app.client().get(&path).send().await.expect(200);
    assert_ne!(ended.json()["ended_at"], Value::Null, "{ended}");
    ended
}

pub async fn items(app: &App, job: &str, query: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/jobs/{job}/items?limit=100{query}{cursor}");
        let page = app.client().get(&path).send().await.expect(200).json();
        found.extend(page["items"].as_array().expect("items").clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

async fn agent(app: &App, id: &str) -> Value {
    app.client().get(&format!("/v1/agents/{id}")).send().await.expect(200).json()
}

#[tokio::test]
async fn a_job_changes_agents_and_is_taken_back() {
    let (app, ids) = with_agents(&["One", "Two", "Three"]).await;
    let before = agent(&app, &ids[0]).await;
    let said = json!({"kind": "update_agents", "selector": {"ids": ids}, "patch": {"tags": ["bulk"]}});
    let job = run(&app, &said).await;
    assert_eq!(job.json()["state"], "succeeded", "{job}");
    assert_eq!((job.json()["total"].clone(), job.json()["done"].clone()), (json!(3), json!(3)));
    for id in &ids {
        assert_eq!(agent(&app, id).await["tags"], json!(["bulk"]));
    }
    let became = items(&app, &job.text("/id"), "").await;
    assert!(became.iter().all(|item| item["outcome"] == "changed" && item["rev"] == 2), "{became:?}");

    // The same again finds nothing to do.
    let again = run(&app, &said).await;
    assert_eq!(again.json()["outcomes"]["unchanged"], 3);

    // One is changed by someone else; the others are as they were.
    app.client().patch(&format!("/v1/agents/{}", ids[1]), &json!({"name": "Mine"})).send().await.expect(200);
    let path = format!("/v1/jobs/{}/revert", job.text("/id"));
    let revert = app.client().post(&path, &json!({})).send().await.expect(202);
    app.settle().await;
    let ended = app.client().get(revert.header("location").expect("a location")).send().await.expect(200);
    assert_eq!(ended.json()["outcomes"]["changed"], 2, "{ended}");
    assert_eq!(ended.json()["outcomes"]["conflict"], 1);
    let after = agent(&app, &ids[0]).await;
    for member in ["name", "description", "tags", "metadata", "config", "config_hash", "template", "status"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    assert_eq!(agent(&app, &ids[1]).await["tags"], json!(["bulk"]));
    let conflicts = items(&app, &revert.text("/id"), "&outcome=conflict").await;
    assert_eq!(
        conflicts[0]["problem"]["detail"],
        "Something else changed it since: the job left it at rev 2, and it is at rev 3."
    );
}

#[tokio::test]
async fn each_item_has_an_outcome_of_its_own() {
    let (app, ids) = with_agents(&["One", "Two", "Archived", "Same"]).await;
    app.client().post(&format!("/v1/agents/{}/archive", ids[2]), &json!({})).send().await.expect(200);
    app.client().patch(&format!("/v1/agents/{}", ids[3]), &json!({"tags": ["x"]})).send().await.expect(200);
    let unknown = "agt_00000000000000000000000000";
    let spoiled = ids[1].clone();
    app.settle().await;
    app.spoil(&spoiled);
    let ids = [ids[0].as_str(), &spoiled, &ids[2], &ids[3], unknown, &ids[0]];
    let said = json!({"kind": "update_agents", "selector": {"ids": ids}, "patch": {"tags": ["x"]}});
    let job = run(&app, &said).await;
    let outcomes: Vec<Value> =
        items(&app, &job.text("/id"), "").await.iter().map(|item| item["outcome"].clone()).collect();
    // Who is named twice is one item.
    assert_eq!(outcomes, ["changed", "error", "conflict", "unchanged", "missing"]);
    assert_eq!(job.json()["total"], 5);
}

#[tokio::test]
async fn a_dry_run_tells_and_changes_nothing() {
    let (app, ids) = with_agents(&["One", "Two"]).await;
    let before = agent(&app, &ids[0]).await;
    let said = json!({
        "kind": "update_agents",
        "selector": {"filter": {}},
        "patch": [{"op": "replace", "path": "/name", "value": "Same"}],
        "dry_run": true,
    });
    let job = run(&app, &said).await;
    assert_eq!(job.json()["outcomes"]["changed"], 2, "{job}");
    assert_eq!(agent(&app, &ids[0]).await, before);
    let told = items(&app, &job.text("/id"), "").await;
    assert_eq!(told[0]["patch"], json!([{"op": "replace", "path": "/name", "value": "Same"}]));
    let revert = format!("/v1/jobs/{}/revert", job.text("/id"));
    assert_eq!(app.client().post(&revert, &json!({})).send().await.status, 409);
}

#[tokio::test]
async fn the_tier_bounds_items_and_judges_each() {
    let app = App::start().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201).text("/id"));
    }
    app.settle().await;
    let large = json!({"config": {"instructions": "x".repeat(9_000)}});
    let job = run(&app, &json!({"kind": "update_agents", "selector": {"ids": ids}, "patch": large})).await;
    assert_eq!(job.json()["outcomes"]["refused"], 2, "{job}");
    let refused = items(&app, &job.text("/id"), "&outcome=refused").await;
    assert_eq!(refused[0]["problem"]["code"], "entitlement_exceeded");
    assert_eq!(refused[0]["problem"]["errors"][0]["pointer"], "/config/instructions");

    let many: Vec<String> = (0..26).map(|n| format!("agt_000000000000000000000000{n:02}")).collect();
    let said = json!({"kind": "archive_agents", "selector": {"ids": many}});
    let refused = app.client().post("/v1/jobs", &said).send().await.expect(403);
    assert_eq!(refused.json()["errors"][0]["min_tier"], "pro", "{refused}");
    app.set_tier("acme", "free", [(agent_management::tier::LimitName::JobItems, Some(1))].into()).await;
    let job = run(&app, &json!({"kind": "archive_agents", "selector": {"filter": {}}})).await;
    assert_eq!(
        (&job.json()["state"], &job.json()["problem"]["code"]),
        (&json!("failed"), &json!("entitlement_exceeded")),
        "{job}"
    );
    assert_eq!(agent(&app, &ids[0]).await["status"], "active");
}

#[tokio::test]
async fn starting_is_idempotent_and_wrong_requests_are_pointed_at() {
    let (app, ids) = with_agents(&["One"]).await;
    let said = json!({"kind": "archive_agents", "selector": {"ids": ids}});
    let start = |said: &Value| app.client().post("/v1/jobs", said).header("idempotency-key", "k").send();
    let first = start(&said).await.expect(202);
    assert_eq!(first.header("retry-after"), Some("1"));
    app.settle().await;
    let second = start(&said).await.expect(202);
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    assert_eq!(second.json()["id"], first.json()["id"]);
    assert_eq!(second.json()["state"], "succeeded");
    let other = json!({"kind": "archive_agents", "selector": {"filter": {}}});
    assert_eq!(start(&other).await.expect(422).json()["code"], "idempotency_key_reused");
    for (said, pointer) in [
        (json!({"kind": "archive_agents"}), "/selector"),
        (json!({"kind": "archive_agents", "selector": {}}), "/selector"),
        (json!({"kind": "archive_agents", "selector": {"ids": ids, "filter": {}}}), "/selector"),
        (json!({"kind": "archive_agents", "selector": {"ids": []}}), "/selector/ids"),
        (json!({"kind": "archive_agents", "selector": {"filter": {"tag": ""}}}), "/selector/filter/tag"),
        (json!({"kind": "archive_agents", "selector": {"filter": {}}, "patch": {}}), "/patch"),
        (json!({"kind": "update_agents", "selector": {"filter": {}}}), "/patch"),
        (json!({"kind": "update_agents", "selector": {"filter": {}}, "patch": 1}), "/patch"),
        (json!({"kind": "update_agents", "selector": {"filter": {}}, "patch": [{"op": "x"}]}), "/patch"),
        (json!({"kind": "upgrade_template"}), "/template_id"),
        (json!({"kind": "rebuild_index", "selector": {"filter": {}}}), "/selector"),
        (json!({"kind": "archive_agents", "selector": {"filter": {}}, "wave_size": 0}), "/wave_size"),
        (json!({"kind": "sync"}), "/kind"),
        (json!({"kind": "archive_agents", "selector": {"filter": {}}, "state": "done"}), "/state"),
    ] {
        let refused = app.client().post("/v1/jobs", &said).send().await.expect(422);
        let errors = refused.json()["errors"].as_array().expect("errors").clone();
        let is_there =
            |error: &Value| error["pointer"].as_str().is_some_and(|found| found.starts_with(pointer));
        assert!(errors.iter().any(is_there), "{said}: {refused}");
    }
    let missing = app.client().request(Method::POST, "/v1/jobs/job_00000000000000000000000000/cancel");
    assert_eq!(missing.send().await.status, 404);
}
