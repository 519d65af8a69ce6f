//! Imports: files of other systems become agents, and an account says where each leaf of a file went.

use agent_management::import::{Format, leaves};
use harness::{App, an_agent};
use serde_json::{Value, json};

use super::jobs::items;

/// A file of each foreign format, by its format's name.
const FILES: [(&str, &str); 4] = [
    ("langgraph_assistants", include_str!("../../fixtures/import/langgraph-full.json")),
    ("openai_assistants", include_str!("../../fixtures/import/openai-full.json")),
    ("letta_agents", include_str!("../../fixtures/import/letta-full.json")),
    ("a2a_cards", include_str!("../../fixtures/import/a2a-full.json")),
];
const MODEL: &str = "anthropic/claude-haiku-4-5";

async fn an_app() -> App {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    app
}

/// Imports a file and lets the job come to its end.
async fn import(app: &App, said: &Value) -> Value {
    let started = app.client().post("/v1/imports", said).send().await.expect(202);
    app.settle().await;
    let path = started.header("location").expect("a location").to_owned();
    let ended = app.client().get(&path).send().await.expect(200).json();
    assert_ne!(ended["ended_at"], Value::Null, "{ended}");
    ended
}

#[tokio::test]
async fn every_format_is_previewed_with_an_account_of_each_leaf_and_imported() {
    let app = an_app().await;
    for (format, file) in FILES {
        let said = json!({"format": format, "content": file, "default_model": MODEL});
        let preview = app.client().post("/v1/imports/preview", &said).send().await.expect(200).json();
        let mut told = Vec::new();
        for list in ["mapped", "defaulted", "dropped"] {
            let entries = preview["fidelity"][list].as_array().expect("entries");
            told.extend(entries.iter().map(|entry| entry["from"].as_str().expect("a pointer").to_owned()));
        }
        told.sort();
        let mut expected = leaves(&serde_json::from_str(file).expect("JSON"));
        expected.sort();
        assert_eq!(told, expected, "each leaf of {format} once");
        let agents = preview["agents"].as_array().expect("agents");
        assert!(agents.iter().all(|agent| agent["violations"] == json!([])), "{format}: {agents:?}");

        let job = import(&app, &said).await;
        assert_eq!((&job["state"], &job["outcomes"]["changed"]), (&json!("succeeded"), &json!(agents.len())));
        for (item, agent) in items(&app, job["id"].as_str().expect("an id"), "").await.iter().zip(agents) {
            let path = format!("/v1/agents/{}", item["id"].as_str().expect("an id"));
            let made = app.client().get(&path).send().await.expect(200).json();
            assert_eq!(made["name"], agent["document"]["name"], "{format}");
            assert_eq!(made["config"]["instructions"], agent["document"]["config"]["instructions"]);
        }
        // Once more, they are there already.
        let again = import(&app, &said).await;
        assert_eq!(again["outcomes"]["conflict"], agents.len(), "{again}");
    }
    assert_eq!(FILES.len() + 1, Format::ALL.len());
}

#[tokio::test]
async fn what_is_there_fails_is_overwritten_made_beside_or_stays() {
    let app = an_app().await;
    let client = app.client();
    let there =
        client.post("/v1/agents", &an_agent().keyed("k").named("First").build()).send().await.expect(201);
    let path = there.header("location").expect("a location").to_owned();
    let answered = client.get(&path).send().await.expect(200).json();
    // An agent as the service answers it, with another name.
    let mut changed = answered.clone();
    changed["name"] = json!("Second");
    let said = |on_conflict: &str| json!({"format": "agent_management", "content": [changed], "on_conflict": on_conflict});
    let failed = import(&app, &said("fail")).await;
    assert_eq!(failed["outcomes"]["conflict"], 1, "{failed}");
    // A file that says it twice meets it twice.
    let twice = json!({"format": "agent_management", "content": [changed, changed], "on_conflict": "fail"});
    assert_eq!(import(&app, &twice).await["outcomes"]["conflict"], 2);
    let skipped = import(&app, &said("skip")).await;
    assert_eq!((&skipped["outcomes"]["skipped"], &skipped["state"]), (&json!(1), &json!("succeeded")));
    assert_eq!(client.get(&path).send().await.json(), answered);
    let renamed = import(&app, &said("rename")).await;
    let beside = items(&app, renamed["id"].as_str().expect("an id"), "").await;
    let beside = format!("/v1/agents/{}", beside[0]["id"].as_str().expect("an id"));
    let beside = client.get(&beside).send().await.expect(200).json();
    assert_eq!((&beside["name"], &beside["key"]), (&json!("Second (imported)"), &Value::Null));
    let mut dry = said("overwrite");
    dry["dry_run"] = json!(true);
    let told = import(&app, &dry).await;
    let told = items(&app, told["id"].as_str().expect("an id"), "").await;
    assert_eq!(told[0]["patch"], json!([{"op": "replace", "path": "/name", "value": "Second"}]));
    assert_eq!(client.get(&path).send().await.json(), answered);
    let overwritten = import(&app, &said("overwrite")).await;
    assert_eq!(overwritten["outcomes"]["changed"], 1, "{overwritten}");
    let after = client.get(&path).send().await.expect(200).json();
    assert_eq!((&after["name"], &after["rev"]), (&json!("Second"), &json!(2)));
    // One without a key is found by its own id, and named by it.
    let own = client.post("/v1/agents", &an_agent().named("Keyless").build()).send().await.expect(201);
    let own = client.get(own.header("location").expect("a location")).send().await.expect(200).json();
    for (on_conflict, outcome) in [("fail", "conflict"), ("skip", "skipped"), ("overwrite", "unchanged")] {
        let said = json!({"format": "agent_management", "content": [own], "on_conflict": on_conflict});
        let job = import(&app, &said).await;
        let told = items(&app, job["id"].as_str().expect("an id"), "").await;
        assert_eq!((&told[0]["id"], &told[0]["outcome"]), (&own["id"], &json!(outcome)), "{on_conflict}");
    }
    let unchanged = import(&app, &said("overwrite")).await;
    assert_eq!(unchanged["outcomes"]["unchanged"], 1, "{unchanged}");
}

#[tokio::test]
async fn a_file_that_can_t_be_read_fails_the_job_and_wrong_agents_their_items() {
    let app = an_app().await;
    let wrong = json!({"format": "openai_assistants", "content": "{"});
    let job = import(&app, &wrong).await;
    assert_eq!(
        (&job["state"], &job["problem"]["code"]),
        (&json!("failed"), &json!("malformed_body")),
        "{job}"
    );
    app.client().post("/v1/imports/preview", &wrong).send().await.expect(400);
    let good = an_agent().named("Good").build();
    let mut bad = good.clone();
    bad["config"]["model"] = json!({"provider": "nobody"});
    let lines = format!("{good}\n{bad}\n");
    let job = import(&app, &json!({"format": "agent_management", "content": lines})).await;
    assert_eq!((&job["outcomes"]["changed"], &job["outcomes"]["refused"]), (&json!(1), &json!(1)), "{job}");
    // What is left is tried again, and is still wrong.
    let retry = format!("/v1/jobs/{}/retry-failed", job["id"].as_str().expect("an id"));
    let again = app.client().post(&retry, &json!({})).send().await.expect(202);
    app.settle().await;
    let again = app.client().get(again.header("location").expect("a location")).send().await.json();
    assert_eq!((&again["total"], &again["outcomes"]["refused"]), (&json!(1), &json!(1)), "{again}");
    // The quota is exact.
    app.set_tier("acme", "free", [].into()).await;
    let many: Vec<Value> = (0..7).map(|n| an_agent().named(&format!("Agent {n}")).build()).collect();
    let job = import(&app, &json!({"format": "agent_management", "content": many})).await;
    assert_eq!((&job["outcomes"]["changed"], &job["outcomes"]["refused"]), (&json!(4), &json!(3)), "{job}");
}
