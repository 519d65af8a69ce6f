//! Random contents through versions: what is published is what is restored and resolved, and the patch
//! between two versions makes the one into the other, wherever it is applied.

use agent_management::patch::{Dialect, Patch};
use harness::{App, an_agent};
use serde_json::{Value, json};

use crate::routes::agents::publish::{create, publish};

const SEEDS: u64 = 40;
/// What a version's content is, of all its members.
const CONTENT: [&str; 5] = ["name", "description", "tags", "metadata", "config"];

/// A member that is there in every second content.
fn sometimes(rng: &mut fastrand::Rng, value: Value) -> Value {
    if rng.bool() { value } else { Value::Null }
}

fn some_of(rng: &mut fastrand::Rng, items: &[Value]) -> Value {
    let mut kept: Vec<Value> = items.iter().filter(|_| rng.bool()).cloned().collect();
    rng.shuffle(&mut kept);
    json!(kept)
}

/// A content out of many, with what a patch may stumble over: slashes, tildes, empty names, lists in
/// another order, numbers of either kind.
fn a_content(rng: &mut fastrand::Rng) -> Value {
    let tool = |id: &str, extra: Value| json!({"tool_id": id, "config": extra});
    let tools = [
        tool("a", json!({"x/y": {"~": [1, 2.5, null]}, "": ""})),
        tool("b", json!({"deep": {"er": {"list": [[], {}]}}})),
        json!({"tool_id": "c", "approval": "always", "version": "1"}),
        json!({"tool_id": "d"}),
    ];
    let guardrails = [
        json!({"id": "pii", "stage": "output", "action": "block"}),
        json!({"id": "pii", "stage": "output", "action": "warn"}),
        json!({"id": "tone", "stage": "input", "action": "redact"}),
    ];
    let knowledge = [json!({"id": "k", "top_k": 3, "filters": {"a~1b": true}}), json!({"id": "l"})];
    let temperature = [0.0, 0.7, 1.0][rng.usize(0..3)];
    let steps = rng.u32(1..4);
    let limits = sometimes(rng, json!({"max_steps": steps}));
    let mut document = an_agent()
        .named(["Zoë", "b"][rng.usize(0..2)])
        .with("description", sometimes(rng, json!("says")))
        .with("tags", some_of(rng, &[json!("eu"), json!("a/b"), json!("~")]))
        .with("metadata", json!({["x", "a/b", "~0"][rng.usize(0..3)]: "v"}))
        .configured("tools", some_of(rng, &tools))
        .configured("guardrails", some_of(rng, &guardrails))
        .configured("knowledge", some_of(rng, &knowledge))
        .configured("instructions", json!(["", "one", "two\nlines"][rng.usize(0..3)]))
        .configured("limits", limits)
        .build();
    if rng.bool() {
        document["config"]["model"]["parameters"] = json!({"temperature": temperature});
    }
    document
}

fn content(version: &Value) -> Value {
    CONTENT.into_iter().map(|name| (name.to_owned(), version[name].clone())).collect()
}

fn applied(patch: &Value, mut document: Value) -> Value {
    let patch = Patch::read(Dialect::Operations, patch.clone()).expect("a patch");
    patch.apply(&mut document).expect("it applies");
    document
}

#[tokio::test]
async fn a_published_content_is_restored_resolved_and_told_apart_as_it_was() {
    for seed in 0..SEEDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let app = App::start().await;
        app.set_tier("acme", "enterprise", [].into()).await;
        let client = app.client();
        let key = "k".to_owned();
        let mut documents = Vec::new();
        let mut versions: Vec<Value> = Vec::new();
        let path = create(&client, &an_agent().keyed(&key).build()).await;
        for _ in 0..3 {
            let document = a_content(&mut rng);
            client.put(&format!("/v1/agents/by-key/{key}"), &document).send().await.expect(200);
            let published = client.post(&format!("{path}/publish"), &json!({})).send().await;
            let version = published.json()["version"].clone();
            if published.status == 201 {
                documents.push(document);
                versions.push(version);
            }
        }
        for version in &versions {
            let number = version["version"].as_u64().expect("a number");
            let at = format!("seed {seed}, version {number}");
            // Stored as it was published, however often it is read.
            let got = client.get(&format!("{path}/versions/{number}")).send().await.expect(200).json();
            assert_eq!(&got, version, "{at}");
            client.post(&format!("{path}/versions/{number}/restore"), &json!({})).send().await.expect(200);
            let draft = client.get(&path).send().await.expect(200).json();
            assert_eq!(content(&draft), content(version), "{at}");
            client.post(&format!("{path}/rollback"), &json!({"version": number})).send().await.expect(200);
            let resolved = client.get(&format!("{path}/resolved")).send().await.expect(200).json();
            assert_eq!(
                (&resolved["config"], &resolved["version"]),
                (&version["config"], &json!(number)),
                "{at}"
            );
            for other in &versions {
                let to = other["version"].as_u64().expect("a number");
                let diff = client.get(&format!("{path}/diff?from={number}&to={to}")).send().await;
                let diff = diff.expect(200).json();
                assert_eq!(applied(&diff["patch"], content(version)), content(other), "{at} to {to}");
                let is_same = content(version) == content(other);
                assert_eq!(diff["risks"] == json!([]), is_same, "{at} to {to}: {diff}");
            }
        }
        // Publishing what was restored last mints nothing if it is the last version, and else one like it.
        let last = versions.last().expect("a version");
        client
            .put(&format!("/v1/agents/by-key/{key}"), documents.last().expect("one"))
            .send()
            .await
            .expect(200);
        let again = client.post(&format!("{path}/publish"), &json!({})).send().await.expect(200).json();
        assert_eq!((&again["minted"], &again["version"]), (&json!(false), last), "seed {seed}");
    }
}

#[tokio::test]
async fn the_patch_to_a_version_makes_the_draft_that_version() {
    let app = App::start().await;
    let client = app.client();
    let path = create(&client, &an_agent().with("tags", json!(["eu"])).with_tools(2).build()).await;
    let number = publish(&client, &path).await;
    let other = json!({"tags": ["us", "a/b"], "config": {"tools": [{"tool_id": "tool-1"}], "limits": {"max_steps": 3}}});
    client.patch(&path, &other).send().await.expect(200);
    let diff = client.get(&format!("{path}/diff?from=draft&to={number}")).send().await.expect(200).json();
    let patch = client.patch(&path, &diff["patch"]).header("content-type", "application/json-patch+json");
    let back = patch.send().await.expect(200).json();
    assert_eq!(back["unpublished_changes"], false);
}
