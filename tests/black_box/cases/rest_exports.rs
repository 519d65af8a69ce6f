//! Exports, and what comes back of them by an import: files that clients fetch and send themselves, past the
//! gateway. An export of everything finds what is listed, which may be a moment old.

mod uploads;

use harness::an_agent;
use serde_json::{Value, json};

use super::rest_imports::ended;
use super::rest_templates::{TRIAGE, greeter, pages, template_at};
use super::{Case, case};
use crate::client::{Client, id_of, path_of};
use crate::context::{Context, eventually};
use crate::http::{Answer, Sent};
use crate::openapi::UNKNOWN_ID;

const JOBS: &str = "/v1/jobs";
const UNKNOWN_JOB: &str = "/v1/jobs/job_00000000000000000000000000";
const IMPORTS: &str = "/v1/imports";
const UPLOADS: &str = "/v1/imports/uploads";
/// What is the service's own of whatever is made by an import.
const ANEW: [&str; 8] =
    ["id", "agent_id", "template_id", "rev", "created_at", "updated_at", "published_at", "config_hash"];
/// A secret that must not leave the service.
const CANARY: &str = "canary-5f1c";

pub fn cases() -> Vec<Case> {
    vec![
        case!(agents_come_back_in_another_tenant_with_their_versions),
        case!(templates_come_back_with_the_agents_that_were_made_of_them).on_another_tier(),
        case!(a_selection_is_exported_and_what_is_missing_is_told),
        case!(a_link_to_a_file_is_good_for_that_file_alone),
    ]
    .into_iter()
    .chain(uploads::cases())
    .collect()
}

fn text<'a>(document: &'a Value, member: &str) -> &'a str {
    document[member].as_str().unwrap_or_else(|| panic!("no text {member} in {document}"))
}

/// The document with more members.
fn with(mut document: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().expect("members") {
        document[name] = value.clone();
    }
    document
}

fn export_of(more: &Value) -> Value {
    with(json!({"kind": "export_agents"}), more)
}

fn import_of(upload: &Value, more: &Value) -> Value {
    with(json!({"format": "agent_management", "upload_id": upload}), more)
}

/// Everything that can be in a file.
fn everything() -> Value {
    json!({"versions": true, "templates": true})
}

/// Exports, and gives the job once it has ended, with its items.
async fn export(context: &Context, client: &Client, more: &Value) -> (Value, Vec<Value>) {
    let started = client.post(JOBS, &export_of(more)).send().await.expect(202);
    let (job, items) = ended(context, client, &started).await;
    assert_eq!((&job["kind"], &job["state"]), (&json!("export_agents"), &json!("succeeded")), "{job}");
    (job, items)
}

fn file_at(job: &Value) -> String {
    format!("{JOBS}/{}/file", id_of(job))
}

/// The file that a job has written, as whoever has the link to it gets it.
async fn fetch(context: &Context, client: &Client, job: &Value) -> String {
    let place = client.get(&file_at(job)).send().await.expect(200).json();
    assert_eq!((&place["name"], &place["bytes"]), (&job["file"]["name"], &job["file"]["bytes"]));
    let answer = context.send_elsewhere(Sent::new("GET", text(&place, "url"))).await.expect(200);
    assert_eq!(answer.header("content-type"), Some(text(&place, "content_type")));
    let disposition = format!("attachment; filename=\"{}\"", text(&place, "name"));
    assert_eq!(answer.header("content-disposition"), Some(disposition.as_str()));
    assert_eq!(place["bytes"], answer.body.len(), "{answer}");
    String::from_utf8(answer.body.to_vec()).expect("UTF-8")
}

async fn begin_upload(client: &Client) -> Value {
    client.request("POST", UPLOADS).send().await.expect(201).json()
}

/// Sends a file by a form.
async fn send(context: &Context, form: &Value, file: &[u8]) -> Answer {
    let fields = form["fields"].as_object().expect("fields");
    context.send_elsewhere(Sent::form(text(form, "url"), fields, file)).await
}

/// Checks that the store of the files refuses, whatever its words for that are.
#[track_caller]
fn assert_refused(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {answer}");
}

/// Sends a file and gives what an import calls it.
async fn upload(context: &Context, client: &Client, file: &[u8]) -> Value {
    let form = begin_upload(client).await;
    send(context, &form, file).await.expect(204);
    form["id"].clone()
}

/// Imports what was uploaded, and gives the job once it has ended, with its items.
async fn import(context: &Context, client: &Client, upload_id: &Value, more: &Value) -> (Value, Vec<Value>) {
    let started = client.post(IMPORTS, &import_of(upload_id, more)).send().await.expect(202);
    ended(context, client, &started).await
}

async fn get(client: &Client, path: &str) -> Value {
    client.get(path).send().await.expect(200).json()
}

/// Waits until a list has as many rows. `list` has a query.
async fn are_listed(client: &Client, list: &str, count: usize) {
    eventually(&format!("{count} rows of {list}"), async || {
        (pages(client, list).await.len() == count).then_some(())
    })
    .await;
}

/// What comes back of something: all but what is the service's own.
fn anew(before: &Value, after: &Value) -> Value {
    let mut expected = before.clone();
    for name in ANEW {
        if let Some(member) = expected.get_mut(name) {
            *member = after[name].clone();
        }
    }
    expected
}

/// An agent of the gallery, and one that hands work to it: of two versions, of which `live` leads to the first.
async fn furnish(client: &Client) -> (Value, Value) {
    let said = json!({"variables": {"company": "Acme"}});
    let triage = client.post(&format!("{TRIAGE}/instantiate"), &said).send().await.expect(201).json();
    let tool = json!({"tool_id": "crm", "config": {"api_key": CANARY, "region": "eu"}});
    let router = an_agent().named("Router").with("metadata", json!({"cost_center": "7"}));
    let router = router.configured("sub_agents", json!([{"id": triage["id"]}]));
    let path = client.create_at(&router.configured("tools", json!([tool])).build()).await;
    let publish = |said: &Value| client.post(&format!("{path}/publish"), said).send();
    let first = publish(&json!({"title": "First"})).await.expect(201).json();
    client.merge(&path, &json!({"description": "Second."})).send().await.expect(200);
    publish(&json!({"notes": "Why."})).await.expect(201);
    let routes = json!([{"version": first["version"]["version"], "weight": 1}]);
    let live = json!({"routes": routes, "policy": {"refuse": ["guardrail_removed"]}});
    client.put(&format!("{path}/aliases/live"), &live).header("if-match", "*").send().await.expect(200);
    client.merge(&path, &json!({"description": "Not published."})).send().await.expect(200);
    (get(client, &path_of(&triage)).await, get(client, &path).await)
}

/// The one of that name among the agents that items name.
async fn named(client: &Client, items: &[Value], name: &str) -> Value {
    for item in items {
        let agent = get(client, &path_of(item)).await;
        if agent["name"] == name {
            return agent;
        }
    }
    panic!("no {name} among {items:?}");
}

/// The agents of a file in this format.
fn agents_in(file: &str, format: &str) -> Vec<Value> {
    if format == "json" {
        let document: Value = serde_json::from_str(file).expect("JSON");
        return document["agents"].as_array().expect("agents").clone();
    }
    let records = file.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    records.map(|record| record["agent"].clone()).collect()
}

async fn agents_come_back_in_another_tenant_with_their_versions(context: &Context) {
    let client = context.client().await;
    let (triage, router) = furnish(&client).await;
    let path = path_of(&router);
    let rows = pages(&client, &format!("{path}/versions?limit=100")).await;
    are_listed(&client, "/v1/agents?limit=100", 2).await;
    for format in ["ndjson", "json"] {
        let (job, _) = export(context, &client, &with(everything(), &json!({"format": format}))).await;
        assert_eq!((&job["total"], &job["outcomes"]["unchanged"]), (&json!(2), &json!(2)), "{job}");
        let (result, name) = (&job["result"], format!("agents.{format}"));
        assert_eq!((&result["agents"], &result["versions"]), (&json!(2), &json!(2)), "{job}");
        // The draft has it, and so has each version.
        assert_eq!((&result["secrets_left_out"], &job["file"]["name"]), (&json!(3), &json!(name)), "{job}");
        let file = fetch(context, &client, &job).await;
        assert!(!file.contains(CANARY), "{file}");
        let agents = agents_in(&file, format);
        let versions = |agent: &Value| agent["versions"].as_array().map_or(0, Vec::len);
        assert_eq!(agents.iter().map(versions).sum::<usize>(), rows.len(), "{file}");

        let other = context.client().await;
        let sent = upload(context, &other, file.as_bytes()).await;
        let (job, items) = import(context, &other, &sent, &everything()).await;
        assert_eq!((&job["state"], &job["outcomes"]["changed"]), (&json!("succeeded"), &json!(2)), "{job}");
        let (one, two) =
            (named(&other, &items, text(&triage, "name")).await, named(&other, &items, "Router").await);
        assert_ne!((&one["id"], &two["id"]), (&triage["id"], &router["id"]));
        assert_eq!(one, anew(&triage, &one));
        // It hands work to the one that came with it, and does without the secret.
        let adapted = |before: &Value, after: &Value| {
            let mut expected = anew(before, after);
            expected["config"]["sub_agents"] = json!([{"id": one["id"]}]);
            expected["config"]["tools"][0]["config"] = json!({"region": "eu"});
            expected
        };
        assert_eq!(two, adapted(&router, &two));
        for row in &rows {
            let part = format!("versions/{}", row["version"]);
            let before = get(&client, &format!("{path}/{part}")).await;
            let after = get(&other, &format!("{}/{part}", path_of(&two))).await;
            assert_eq!(after, adapted(&before, &after));
        }
        let live = two["aliases"]["live"]["routes"][0]["version"].as_u64().expect("a number");
        other.resolved(&path_of(&two), live).await;
        // The file is still there, and so are its agents.
        let skip = with(everything(), &json!({"on_conflict": "skip"}));
        let (again, skipped) = import(context, &other, &sent, &skip).await;
        assert_eq!((&again["state"], &again["skipped"]), (&json!("succeeded"), &json!(2)), "{again}");
        assert!(skipped.iter().all(|item| item["problem"]["code"] == "exists"), "{skipped:?}");
        let still = get(&other, &path_of(&two)).await;
        assert_eq!((&still, other.used().await), (&two, 2));
    }
}

async fn templates_come_back_with_the_agents_that_were_made_of_them(context: &Context) {
    let (client, other) = (context.client_on("pro").await, context.client_on("pro").await);
    let created = client.post("/v1/templates", &greeter()).send().await.expect(201).json();
    let path = template_at(&created);
    let publish = |said: &Value| client.post(&format!("{path}/publish"), said).send();
    publish(&json!({"title": "First"})).await.expect(201);
    let said = json!({"variables": {"company": "Kiln"}});
    let made = client.post(&format!("{path}/instantiate"), &said).send().await.expect(201).json();
    client.merge(&path, &json!({"description": "Better."})).send().await.expect(200);
    publish(&json!({"notes": "Why."})).await.expect(201);
    are_listed(&client, "/v1/agents?limit=100", 1).await;
    are_listed(&client, "/v1/templates?limit=100&visibility=private", 1).await;
    let (job, _) = export(context, &client, &with(everything(), &json!({"format": "json"}))).await;
    let result = &job["result"];
    assert_eq!((&result["templates"], &result["agents"]), (&json!(1), &json!(1)), "{job}");
    let file = fetch(context, &client, &job).await;

    let sent = upload(context, &other, file.as_bytes()).await;
    let (job, items) = import(context, &other, &sent, &everything()).await;
    assert_eq!((&job["state"], &job["outcomes"]["changed"]), (&json!("succeeded"), &json!(2)), "{job}");
    let (before, after) = (get(&client, &path).await, get(&other, &template_at(&items[0])).await);
    assert_ne!(after["id"], before["id"]);
    assert_eq!(after, anew(&before, &after));
    let rows = pages(&client, &format!("{path}/versions?limit=100")).await;
    assert_eq!(rows.len(), 2);
    for row in &rows {
        let part = format!("versions/{}", row["version"]);
        let was = get(&client, &format!("{path}/{part}")).await;
        let now = get(&other, &format!("{}/{part}", template_at(&after))).await;
        assert_eq!(now, anew(&was, &now));
    }
    // The agent follows the template that came with it.
    let agent = get(&other, &path_of(&items[1])).await;
    let mut expected = anew(&made, &agent);
    expected["template"]["id"] = after["id"].clone();
    assert_eq!(agent, expected);
    let asked = json!({"agent_id": agent["id"]});
    let drift = other.post(&format!("{}/drift", template_at(&after)), &asked).send().await.expect(200).json();
    assert_eq!((&drift["from_version"], &drift["to_version"]), (&rows[1]["version"], &rows[0]["version"]));
    assert_eq!(drift["agent_changes"], json!([]));
    // Where the tier admits no templates, the agent comes alone.
    let small = context.client().await;
    let sent = upload(context, &small, file.as_bytes()).await;
    let (_, items) = import(context, &small, &sent, &everything()).await;
    assert_eq!(items[0]["problem"]["code"], "entitlement_exceeded", "{items:?}");
    assert_eq!(get(&small, &path_of(&items[1])).await["template"], json!(null));
}

async fn a_selection_is_exported_and_what_is_missing_is_told(context: &Context) {
    let client = context.client().await;
    let (path, _) = client.create_published(&["First."]).await;
    let agent = get(&client, &path).await;
    let said = json!({"selector": {"ids": [id_of(&agent), UNKNOWN_ID]}});
    let (job, items) = export(context, &client, &said).await;
    let outcomes: Vec<_> = items.iter().map(|item| item["outcome"].clone()).collect();
    assert_eq!(outcomes, ["unchanged", "missing"]);
    let agents = agents_in(&fetch(context, &client, &job).await, "ndjson");
    assert_eq!((agents.len(), &agents[0]["id"]), (1, &agent["id"]));
    assert_eq!(agents[0].get("versions"), None, "nobody asked for them");
    let none = json!({"format": "json", "selector": {"filter": {"tag": "mars"}}});
    let (job, _) = export(context, &client, &none).await;
    let file: Value = serde_json::from_str(&fetch(context, &client, &job).await).expect("JSON");
    assert_eq!((&file["templates"], &file["agents"]), (&json!([]), &json!([])));
    // It has changed nothing that could be taken back.
    let revert = format!("{JOBS}/{}/revert", id_of(&job));
    client.post(&revert, &json!({})).send().await.problem(409, "conflict");
    assert_eq!(get(&client, &path).await, agent);
}

async fn a_link_to_a_file_is_good_for_that_file_alone(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    let (job, _) = export(context, &client, &json!({"selector": {"ids": [UNKNOWN_ID]}})).await;
    assert_eq!(fetch(context, &client, &job).await, "");
    let url = get(&client, &file_at(&job)).await["url"].clone();
    let url = url.as_str().expect("a URL");
    let signed = "X-Amz-Signature=";
    let (rest, signature) = url.split_once(signed).expect("a signature");
    let digit = if signature.starts_with('0') { '1' } else { '0' };
    for (what, changed) in [
        ("another signature", format!("{rest}{signed}{digit}{}", &signature[1..])),
        ("another file", url.replacen('?', "0?", 1)),
        ("another tenant's", url.replacen(&client.tenant, &other.tenant, 1)),
        ("for longer", url.replacen("X-Amz-Expires=600", "X-Amz-Expires=60000", 1)),
    ] {
        assert_ne!(changed, url, "{what}");
        assert_refused(&context.send_elsewhere(Sent::new("GET", &changed)).await, what);
    }
    other.get(&file_at(&job)).send().await.problem(404, "not_found");
    client.get(&format!("{UNKNOWN_JOB}/file")).send().await.problem(404, "not_found");
    client.get(&format!("{}?x=1", file_at(&job))).send().await.problem(400, "invalid_parameter");
    // Other jobs write none.
    let said = json!({"kind": "archive_agents", "selector": {"ids": [UNKNOWN_ID]}});
    let started = client.post(JOBS, &said).send().await.expect(202);
    let (job, _) = ended(context, &client, &started).await;
    assert_eq!(job["file"], json!(null));
    client.get(&file_at(&job)).send().await.problem(404, "not_found");
}
