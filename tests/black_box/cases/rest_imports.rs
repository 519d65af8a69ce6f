//! Imports: a file of another system, or of this one, becomes agents. And the index that search reads, held against
//! the agents. Both are jobs, and a case waits for their end.

use harness::an_agent;
use serde_json::{Value, json};

use super::rest_templates::pages;
use super::{Case, case};
use crate::client::{Client, Outgoing, id_of, path_of};
use crate::context::{Context, USER, eventually};
use crate::http::Answer;

const IMPORTS: &str = "/v1/imports";
const PREVIEW: &str = "/v1/imports/preview";
/// Two assistants of OpenAI, as its API lists them. What is a secret in it says `CANARY`.
const ASSISTANTS: &str = include_str!("../../fixtures/import/openai-full.json");
/// How many agents the default tier admits.
const AGENTS_MAX: usize = 5;

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_preview_tells_where_each_value_goes_and_makes_nothing),
        case!(assistants_of_openai_become_agents_once),
        case!(an_agent_comes_back_and_what_is_there_stays_or_gets_another_beside_it),
        case!(what_was_refused_is_tried_again),
        case!(a_file_that_is_none_makes_nothing),
        case!(an_index_that_missed_nothing_is_rebuilt_as_it_is),
    ]
}

fn assistants(more: &Value) -> Value {
    said("openai_assistants", &json!(ASSISTANTS), more)
}

fn natives(agents: &[Value], more: &Value) -> Value {
    said("agent_management", &json!(agents), more)
}

/// A file of this format, and what more is said.
fn said(format: &str, content: &Value, more: &Value) -> Value {
    let mut said = json!({"format": format, "content": content});
    for (name, value) in more.as_object().expect("members") {
        said[name] = value.clone();
    }
    said
}

fn import(client: &Client, said: &Value) -> Outgoing {
    client.post(IMPORTS, said)
}

/// A job that was started, once it has ended, with its items.
pub async fn ended(context: &Context, client: &Client, started: &Answer) -> (Value, Vec<Value>) {
    let path = context.follow(started, started.header("location").expect("a location"));
    let job = eventually("the end of the job", async || {
        let job = client.get(&path).send().await.expect(200).json();
        (!job["ended_at"].is_null()).then_some(job)
    })
    .await;
    let items = pages(client, &format!("/v1/jobs/{}/items?limit=100", id_of(&job))).await;
    assert_eq!(job["total"], items.len(), "{job}");
    (job, items)
}

/// Imports, and gives the job once it has ended, with its items.
async fn run(context: &Context, client: &Client, said: &Value) -> (Value, Vec<Value>) {
    let (job, items) = ended(context, client, &import(client, said).send().await.expect(202)).await;
    assert_eq!((&job["kind"], &job["state"]), (&json!("import_agents"), &json!("succeeded")), "{job}");
    (job, items)
}

fn outcomes(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["outcome"].as_str().expect("an outcome")).collect()
}

async fn agent_of(client: &Client, item: &Value) -> Value {
    client.get(&path_of(item)).send().await.expect(200).json()
}

async fn a_preview_tells_where_each_value_goes_and_makes_nothing(context: &Context) {
    let client = context.client().await;
    let preview = client.post(PREVIEW, &assistants(&json!({}))).send().await.expect(200);
    let told = preview.json();
    let agents = told["agents"].as_array().expect("agents");
    let sources: Vec<_> = agents.iter().map(|agent| agent["source_id"].clone()).collect();
    assert_eq!(sources, [json!("asst_kiln01"), json!("asst_kiln02")]);
    assert!(agents.iter().all(|agent| agent["violations"] == json!([])), "{preview}");
    assert!(!String::from_utf8_lossy(&preview.body).contains("CANARY"), "{preview}");
    // Each value of the file has one place in the account, and each place that is told is there.
    let file: Value = serde_json::from_str(ASSISTANTS).expect("JSON");
    let documents: Value = agents.iter().map(|agent| agent["document"].clone()).collect();
    let mut seen = Vec::new();
    for list in ["mapped", "defaulted", "dropped"] {
        for entry in told["fidelity"][list].as_array().expect("entries") {
            let from = entry["from"].as_str().expect("a pointer");
            assert!(file.pointer(from).is_some(), "{entry}");
            let to = match &entry["to"] {
                Value::Array(places) => places.clone(),
                Value::Null => Vec::new(),
                place => vec![place.clone()],
            };
            let is_there = |to: &Value| documents.pointer(to.as_str().expect("a pointer")).is_some();
            assert_eq!((to.is_empty(), to.iter().all(is_there)), (list == "dropped", true), "{entry}");
            seen.push(from.to_owned());
        }
    }
    seen.sort();
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:?}");
    assert!(seen.iter().any(|from| from == "/data/0/metadata/secret_glaze_password"), "{seen:?}");
    // A document is what a creation takes, and so far it is only told.
    assert_eq!(client.used().await, 0);
    let made = client.create(&documents[0]).await;
    assert_eq!((&made["name"], &made["config"]), (&json!("Kiln planner"), &documents[0]["config"]));
    // What the tier does not admit is told, too.
    let native = an_agent().on_model("anthropic", "claude-opus-4-5").build();
    let told = client.post(PREVIEW, &natives(&[native], &json!({}))).send().await.expect(200).json();
    assert_eq!(told["agents"][0]["violations"][0]["pointer"], "/config/model", "{told}");
}

async fn assistants_of_openai_become_agents_once(context: &Context) {
    let client = context.client().await;
    let file = assistants(&json!({}));
    let started = import(&client, &file).header("idempotency-key", "kilns").send().await.expect(202);
    assert_eq!((started.header("etag"), started.header("retry-after")), (Some("\"1\""), Some("1")));
    let (job, items) = ended(context, &client, &started).await;
    assert_eq!((&job["kind"], &job["created_by"]), (&json!("import_agents"), &json!(USER)));
    assert_eq!((&job["state"], outcomes(&items)), (&json!("succeeded"), vec!["changed", "changed"]), "{job}");
    let made = agent_of(&client, &items[0]).await;
    assert_eq!(
        (&made["name"], &made["rev"], &items[0]["rev"]),
        (&json!("Kiln planner"), &json!(1), &json!(1))
    );
    assert_eq!(made["config"]["model"]["id"], "gpt-4.1-mini");
    assert_eq!(made["config"]["tools"][1]["tool_id"], "file_search");
    assert_eq!((&made["metadata"], &made["published_version"]), (&json!({"studio": "east"}), &json!(null)));
    assert_eq!(client.used().await, 2);
    // The same request is one import.
    let again = import(&client, &file).header("idempotency-key", "kilns").send().await.expect(202);
    assert_eq!((again.json(), again.header("idempotent-replayed")), (job.clone(), Some("true")));
    // Another one finds its agents there.
    let (_, found) = run(context, &client, &file).await;
    assert_eq!(outcomes(&found), ["conflict", "conflict"]);
    assert_eq!(found[0]["problem"]["code"], "exists");
    let dry_run = assistants(&json!({"on_conflict": "overwrite", "dry_run": true}));
    client.merge(&path_of(&made), &json!({"name": "Mine"})).send().await.expect(200);
    let (_, told) = run(context, &client, &dry_run).await;
    assert_eq!(outcomes(&told), ["changed", "unchanged"]);
    assert_eq!(told[0]["patch"], json!([{"op": "replace", "path": "/name", "value": "Kiln planner"}]));
    assert_eq!(agent_of(&client, &made).await["name"], "Mine");
    let (_, overwritten) = run(context, &client, &assistants(&json!({"on_conflict": "overwrite"}))).await;
    assert_eq!((&overwritten[0]["id"], &overwritten[0]["rev"]), (&made["id"], &json!(3)));
    assert_eq!(agent_of(&client, &made).await["name"], "Kiln planner");
    // What is made is deleted by those who want it gone.
    let revert = format!("/v1/jobs/{}/revert", id_of(&job));
    client.post(&revert, &json!({})).send().await.problem(409, "conflict");
}

async fn an_agent_comes_back_and_what_is_there_stays_or_gets_another_beside_it(context: &Context) {
    let client = context.client().await;
    let there = client.create(&an_agent().keyed("desk").named("Desk").build()).await;
    let mut other = there.clone();
    other["name"] = json!("Reception");
    let file =
        |on_conflict: &str| natives(std::slice::from_ref(&other), &json!({"on_conflict": on_conflict}));
    let (job, skipped) = run(context, &client, &file("skip")).await;
    assert_eq!((&job["skipped"], outcomes(&skipped)), (&json!(1), vec!["skipped"]));
    assert_eq!((&skipped[0]["id"], &skipped[0]["problem"]["code"]), (&there["id"], &json!("exists")));
    assert_eq!(agent_of(&client, &there).await, there);
    let (_, renamed) = run(context, &client, &file("rename")).await;
    assert_eq!(outcomes(&renamed), ["changed"]);
    let beside = agent_of(&client, &renamed[0]).await;
    assert_ne!(beside["id"], there["id"]);
    assert_eq!((&beside["name"], &beside["key"]), (&json!("Reception (imported)"), &json!(null)));
    assert_eq!((&beside["config"], &beside["owner"]), (&there["config"], &json!(USER)));
    assert_eq!(agent_of(&client, &there).await, there);
    // One that was deleted is not there: it comes back under its key, with what only the service writes anew.
    client.delete(&path_of(&there)).send().await.expect(204);
    let (_, back) = run(context, &client, &file("skip")).await;
    assert_eq!((&back[0]["id"], &back[0]["outcome"]), (&there["id"], &json!("changed")));
    let back = agent_of(&client, &back[0]).await;
    assert_eq!((&back["name"], &back["key"]), (&json!("Reception"), &json!("desk")));
    assert_eq!(client.used().await, 2);
}

async fn what_was_refused_is_tried_again(context: &Context) {
    let client = context.client().await;
    let agents: Vec<Value> =
        (0..=AGENTS_MAX).map(|number| an_agent().named(&format!("Agent {number}")).build()).collect();
    let lines: Vec<String> = agents.iter().map(ToString::to_string).collect();
    let lines = lines.join("\n");
    let (job, items) = run(context, &client, &said("agent_management", &json!(lines), &json!({}))).await;
    // The quota is exact, and the order is the file's.
    assert_eq!((&job["outcomes"]["changed"], &job["outcomes"]["refused"]), (&json!(AGENTS_MAX), &json!(1)));
    let refused = &items[AGENTS_MAX];
    assert_eq!((&refused["outcome"], &refused["rev"]), (&json!("refused"), &json!(null)));
    assert_eq!(refused["problem"]["code"], "entitlement_exceeded");
    client.delete(&path_of(&items[0])).send().await.expect(204);
    let retry = format!("/v1/jobs/{}/retry-failed", id_of(&job));
    let retry = client.post(&retry, &json!({})).send().await.expect(202);
    let (retry, tried) = ended(context, &client, &retry).await;
    assert_eq!((&retry["kind"], &retry["of"]), (&json!("import_agents"), &job["id"]));
    assert_eq!((outcomes(&tried), &tried[0]["id"]), (vec!["changed"], &refused["id"]));
    assert_eq!(agent_of(&client, &tried[0]).await["name"], format!("Agent {AGENTS_MAX}"));
    assert_eq!(client.used().await, AGENTS_MAX as u64);
}

async fn a_file_that_is_none_makes_nothing(context: &Context) {
    let client = context.client().await;
    for (wrong, status, code) in [
        (said("openai_assistants", &json!("{"), &json!({})), 400, "malformed_body"),
        (said("letta_agents", &json!({"model": "gpt-5-mini"}), &json!({})), 422, "validation_failed"),
    ] {
        client.post(PREVIEW, &wrong).send().await.problem(status, code);
        let (job, _) = ended(context, &client, &import(&client, &wrong).send().await.expect(202)).await;
        assert_eq!((&job["state"], &job["total"]), (&json!("failed"), &json!(0)), "{job}");
        assert_eq!(job["problem"]["code"], code, "{job}");
    }
    for wrong in [
        json!({"format": "agent_management"}),
        said("robots", &json!([]), &json!({})),
        said("a2a_cards", &json!([]), &json!({"default_model": ""})),
    ] {
        client.post(PREVIEW, &wrong).send().await.problem(422, "validation_failed");
        import(&client, &wrong).send().await.problem(422, "validation_failed");
    }
    import(&client, &natives(&[], &json!({"on_conflict": "ask"})))
        .send()
        .await
        .problem(422, "validation_failed");
    assert_eq!(client.used().await, 0);
}

async fn an_index_that_missed_nothing_is_rebuilt_as_it_is(context: &Context) {
    let client = context.client().await;
    let agent = client.create(&an_agent().named("Desk").with("tags", json!(["eu"])).build()).await;
    let filter = json!({"filter": {"tag": "eu"}});
    let found = async || client.post("/v1/agents/search", &filter).send().await.expect(200).items();
    eventually("the agent, by its tag", async || (!found().await.is_empty()).then_some(())).await;
    let said = json!({"kind": "rebuild_index"});
    let started = client.post("/v1/jobs", &said).send().await.expect(202);
    let (job, items) = ended(context, &client, &started).await;
    assert_eq!((&job["state"], &job["result"]), (&json!("succeeded"), &json!(null)), "{job}");
    // The agent, and the terms that it is found by.
    assert_eq!((&items[0]["id"], items.len() > 1), (&agent["id"], true), "{items:?}");
    assert!(items.iter().all(|item| item["outcome"] == "unchanged"), "{items:?}");
    assert!(items.iter().any(|item| item["id"] == "tag#eu"), "{items:?}");
    assert_eq!(found().await[0]["id"], agent["id"]);
    let path = format!("/v1/jobs/{}", id_of(&job));
    client.post(&format!("{path}/revert"), &json!({})).send().await.problem(409, "conflict");
    let all = json!({"kind": "rebuild_index", "selector": {"filter": {}}});
    client.post("/v1/jobs", &all).send().await.problem(422, "validation_failed");
}
