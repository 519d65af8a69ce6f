//! Changing an agent: both kinds of patch, its tools one by one, and what a change is conditional on.

use futures_util::future::join_all;
use harness::an_agent;
use serde_json::json;

use super::{Case, case};
use crate::client::{MERGE, OPERATIONS};
use crate::context::Context;

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_merge_patch_changes_what_it_names),
        case!(a_json_patch_is_applied_whole_or_not_at_all),
        case!(a_change_is_conditional_on_the_rev_that_was_read),
        case!(of_changes_at_once_of_one_rev_one_is_made),
        case!(tools_are_added_changed_and_removed_one_by_one),
        case!(what_only_the_service_writes_cannot_be_patched),
    ]
}

async fn a_merge_patch_changes_what_it_names(context: &Context) {
    let client = context.client().await;
    let document = an_agent().with("description", json!("First line.")).with("tags", json!(["eu"])).build();
    let path = client.create_at(&document).await;
    let patch = json!({"description": null, "tags": ["us"], "config": {"model": {"id": "claude-haiku-4-5"}}});
    let changed = client.patch(&path, MERGE, &patch).header("if-match", "\"1\"").send().await.expect(200);
    assert_eq!(changed.header("etag"), Some("\"2\""));
    let agent = changed.json();
    assert_eq!((&agent["description"], &agent["tags"]), (&json!(null), &json!(["us"])));
    assert_eq!((&agent["config"], &agent["rev"]), (&document["config"], &json!(2)));
    assert_eq!(client.get(&path).send().await.expect(200).json(), agent);
    let same = client.merge(&path, &patch).send().await.expect(200);
    assert_eq!(same.json(), agent, "a change of nothing is none");
}

async fn a_json_patch_is_applied_whole_or_not_at_all(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    let patch =
        async |operations| client.patch(&path, OPERATIONS, &operations).header("if-match", "*").send().await;
    let changed = patch(json!([
        {"op": "test", "path": "/rev", "value": 1},
        {"op": "add", "path": "/tags/-", "value": "eu"},
        {"op": "add", "path": "/config/tools/-", "value": {"tool_id": "search"}},
    ]))
    .await
    .expect(200)
    .json();
    assert_eq!((&changed["tags"], &changed["rev"]), (&json!(["eu"]), &json!(2)));
    assert_eq!(changed["config"]["tools"], json!([{"tool_id": "search"}]));
    let operations = json!([
        {"op": "replace", "path": "/name", "value": "Other"},
        {"op": "test", "path": "/rev", "value": 1},
    ]);
    patch(operations).await.problem(409, "conflict");
    patch(json!([{"op": "remove", "path": "/none"}])).await.problem(422, "validation_failed");
    assert_eq!(client.get(&path).send().await.expect(200).json(), changed);
}

async fn a_change_is_conditional_on_the_rev_that_was_read(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    let tool = format!("{path}/tools/search");
    let before = client.get(&path).send().await.expect(200).json();
    let requests = [
        client.patch(&path, MERGE, &json!({"name": "Other"})),
        client.put(&tool, &json!({})),
        client.request("DELETE", &tool),
        client.request("DELETE", &path),
    ];
    for request in requests {
        request.clone().send().await.problem(428, "precondition_required");
        request.clone().header("if-match", "\"2\"").send().await.problem(412, "precondition_failed");
        request.header("if-match", "1").send().await.problem(400, "invalid_parameter");
    }
    for action in ["archive", "restore", "duplicate"] {
        let request = client.request("POST", &format!("{path}/{action}"));
        request.header("if-match", "\"2\"").send().await.problem(412, "precondition_failed");
    }
    let transfer = client.post(&format!("{path}/transfer"), &json!({"owner": "bob"}));
    transfer.header("if-match", "\"2\"").send().await.problem(412, "precondition_failed");
    assert_eq!(client.get(&path).send().await.expect(200).json(), before);
}

async fn of_changes_at_once_of_one_rev_one_is_made(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    let racers = (0..6).map(|racer| {
        let patch = client.patch(&path, MERGE, &json!({"name": format!("Racer {racer}")}));
        patch.header("if-match", "\"1\"").send_until_answered()
    });
    let answers = join_all(racers).await;
    let winners: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(winners.len(), 1);
    for loser in answers.iter().filter(|answer| answer.status != 200) {
        loser.problem(412, "precondition_failed");
    }
    let agent = client.get(&path).send().await.expect(200).json();
    assert_eq!((&agent, &agent["rev"]), (&winners[0].json(), &json!(2)));
}

async fn tools_are_added_changed_and_removed_one_by_one(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().with_tools(4).build()).await;
    let tool = |id: &str| format!("{path}/tools/{id}");
    let put =
        async |id: &str, settings| client.put(&tool(id), &settings).header("if-match", "*").send().await;
    let added = put("mcp%3Afind", json!({"version": "1"})).await.expect(200);
    assert_eq!(added.header("etag"), Some("\"2\""));
    assert_eq!(added.json()["config"]["tools"][4], json!({"tool_id": "mcp:find", "version": "1"}));
    let changed = put("tool-0", json!({"approval": "always"})).await.expect(200).json();
    assert_eq!(changed["config"]["tools"][0], json!({"tool_id": "tool-0", "approval": "always"}));
    let refused = put("sixth", json!({})).await;
    assert_eq!(refused.problem(403, "entitlement_exceeded")["errors"][0]["code"], "tools_limit");
    put("tool-0", json!({"approval": "sometimes"})).await.problem(422, "validation_failed");
    let removed = client.delete(&tool("tool-0")).send().await.expect(200).json();
    assert_eq!((removed["config"]["tools"].as_array().map(Vec::len), &removed["rev"]), (Some(4), &json!(4)));
    client.delete(&tool("tool-0")).send().await.problem(404, "not_found");
}

async fn what_only_the_service_writes_cannot_be_patched(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    for member in ["id", "rev", "status", "owner", "created_at", "robot"] {
        let refused = client.merge(&path, &json!({member: "x"})).send().await;
        let pointer = refused.problem(422, "validation_failed")["errors"][0]["pointer"].clone();
        assert_eq!(pointer, format!("/{member}"));
    }
    assert_eq!(client.get(&path).send().await.expect(200).header("etag"), Some("\"1\""));
}
