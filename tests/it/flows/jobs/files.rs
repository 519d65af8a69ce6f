//! Exports, and imports of agents with their versions and templates, under the same weather as every job: each
//! record is in the file once, and each agent is made once, whole.

use harness::{App, an_agent};
use serde_json::{Value, json};

use super::{agent, check_counts, deliver, each_seed, redrive, the_job};

/// A tenant with a template, agents with and without versions, and how many.
async fn furnish(app: &App, rng: &mut fastrand::Rng) -> Vec<String> {
    app.set_tier("acme", "enterprise", [].into()).await;
    let client = app.client();
    let template = json!({"name": "T", "agent": an_agent().named("Of a template").build()});
    let template = client.post("/v1/templates", &template).send().await.expect(201);
    let template = template.header("location").expect("a location").to_owned();
    client.post(&format!("{template}/publish"), &json!({})).send().await.expect(201);
    let mut ids = Vec::new();
    let made = client.post(&format!("{template}/instantiate"), &json!({})).send().await.expect(201);
    ids.push(made.text("/id"));
    for index in 0..rng.usize(1..6) {
        let agent = an_agent().named(&format!("Agent {index}"));
        let agent = if rng.bool() { agent.keyed(&format!("key-{index}")).build() } else { agent.build() };
        let path = client.post("/v1/agents", &agent).send().await.expect(201);
        ids.push(path.text("/id"));
        let path = path.header("location").expect("a location").to_owned();
        for version in 0..rng.usize(0..4) {
            client.patch(&path, &json!({"description": format!("v{version}")})).send().await.expect(200);
            client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
        }
    }
    app.settle().await;
    ids
}

async fn lines(app: &App, job: &str) -> Vec<Value> {
    let place = app.client().get(&format!("/v1/jobs/{job}/file")).send().await.expect(200).json();
    let (status, bytes) = app.fetch("jobs", place["url"].as_str().expect("a URL")).await;
    assert_eq!(status, 200);
    let text = String::from_utf8(bytes).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

async fn run_export(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let app = App::start().await;
    let ids = furnish(&app, &mut rng).await;
    let said = json!({"kind": "export_agents", "versions": rng.bool(), "templates": rng.bool()});
    let id = app.client().post("/v1/jobs", &said).send().await.expect(202).text("/id");
    let dead = deliver(&app, &ids, &id, &mut rng).await;
    redrive(&app, &dead, &mut rng).await;
    let job = the_job(&app, &id).await;
    assert_ne!(job["ended_at"], Value::Null, "it ends: {job}");
    let became = check_counts(&app, &job).await;
    if job["cancel_requested"] == true || !job["problem"].is_null() {
        return;
    }
    let lines = lines(&app, &id).await;
    assert_eq!(lines.len(), became.len(), "each is there once: {lines:?}");
    for (line, item) in lines.iter().zip(&became) {
        let record = if line["template"].is_null() { &line["agent"] } else { &line["template"] };
        assert_eq!((&record["id"], &record["rev"]), (&item["id"], &item["rev"]));
        assert_eq!(item["outcome"], "unchanged");
    }
    let count = |name: &str| lines.iter().filter(|line| !line[name].is_null()).count();
    assert_eq!(count("agent"), ids.len());
    assert_eq!(
        (count("template"), &job["result"]["agents"]),
        (usize::from(said["templates"] == true), &json!(ids.len()))
    );
}

async fn run_return(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let app = App::start().await;
    let ids = furnish(&app, &mut rng).await;
    let client = app.client();
    let said = json!({"kind": "export_agents", "versions": true, "templates": true});
    let id = client.post("/v1/jobs", &said).send().await.expect(202).text("/id");
    app.settle().await;
    let lines = lines(&app, &id).await;
    let standing = client.post("/v1/agents", &an_agent().build()).send().await.expect(201).text("/id");
    let mut before = Vec::new();
    for id in &ids {
        before.push(agent(&app, id).await);
        client.delete(&format!("/v1/agents/{id}")).header("if-match", "*").send().await.expect(204);
    }
    if rng.bool() {
        app.settle().await;
    }
    let text = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let mut said =
        json!({"format": "agent_management", "versions": true, "templates": true, "on_conflict": "skip"});
    if rng.bool() {
        let form = client.post("/v1/imports/uploads", &json!({})).send().await.expect(201).json();
        assert_eq!(app.upload(&form, text.as_bytes()).await.0, 204);
        said["upload_id"] = form["id"].clone();
    } else {
        said["content"] = json!(text);
    }
    let id = client.post("/v1/imports", &said).send().await.expect(202).text("/id");
    let dead = deliver(&app, &[standing], &id, &mut rng).await;
    redrive(&app, &dead, &mut rng).await;
    app.settle().await;
    let job = the_job(&app, &id).await;
    assert_ne!(job["ended_at"], Value::Null, "it ends: {job}");
    let became = check_counts(&app, &job).await;
    if job["cancel_requested"] == true || !job["problem"].is_null() {
        return;
    }
    assert_eq!(became[0]["outcome"], "skipped", "the template is there: {}", became[0]);
    for item in became.iter().skip(1) {
        assert_eq!(item["outcome"], "changed", "{item}");
        let id = item["id"].as_str().expect("an id");
        let after = agent(&app, id).await;
        let before = before.iter().find(|before| before["name"] == after["name"]).expect("it was there");
        for member in ["name", "key", "description", "config_hash", "unpublished_changes", "template"] {
            assert_eq!(after[member], before[member], "{member} of {after}");
        }
        let numbers = async |id: &str| {
            let page =
                app.client().get(&format!("/v1/agents/{id}/versions?limit=100")).send().await.expect(200);
            let rows = page.json()["items"].as_array().expect("rows").clone();
            rows.iter().map(|row| row["version"].as_u64().expect("a number")).collect::<Vec<_>>()
        };
        let numbers = numbers(id).await;
        for number in &numbers {
            client.get(&format!("/v1/agents/{id}/versions/{number}")).send().await.expect(200);
        }
        assert_eq!(after["published_version"].as_u64(), numbers.first().copied(), "{after}");
        assert_eq!(before["published_version"].is_null(), numbers.is_empty());
        if let Some(live) = numbers.first() {
            let resolved = client.get(&format!("/v1/agents/{id}/resolved")).send().await.expect(200).json();
            assert_eq!(resolved["version"].as_u64(), Some(*live), "{resolved}");
        }
        let created = client.get(&format!("/v1/agents/{id}/audit?limit=100")).send().await.expect(200).json();
        let rows = created["items"].as_array().expect("rows").iter();
        assert_eq!(rows.filter(|row| row["rev"] == after["rev"]).count(), 1, "{created}");
    }
    let usage = client.get("/v1/usage").send().await.expect(200).json();
    assert_eq!(usage["agents"]["used"], ids.len() + 1, "{usage}");
    assert_eq!(usage["private_templates"]["used"], 1, "{usage}");
}

#[tokio::test(start_paused = true)]
async fn each_agent_is_in_the_file_once_whatever_happens() {
    Box::pin(each_seed(run_export)).await;
}

#[tokio::test(start_paused = true)]
async fn each_agent_comes_back_once_with_its_versions_whatever_happens() {
    Box::pin(each_seed(run_return)).await;
}
