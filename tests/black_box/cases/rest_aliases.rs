//! Aliases, and what a conversation gets that asks for one.

use futures_util::future::join_all;
use harness::an_agent;
use json_patch::Patch;
use serde_json::{Value, json};

use super::{Case, case};
use crate::client::Client;
use crate::context::{Context, eventually};

/// How many conversations are asked for: enough that each half of a split gets some.
const CONVERSATIONS: u32 = 40;

pub fn cases() -> Vec<Case> {
    vec![
        case!(live_is_changed_on_condition_and_never_removed),
        case!(what_is_no_alias_is_refused_and_pointed_at),
        case!(what_the_tier_does_not_admit_of_aliases_comes_with_a_fix),
        case!(a_policy_refuses_the_risks_that_it_names),
        case!(a_paused_alias_resolves_to_nothing),
        case!(an_unpublished_agent_resolves_to_nothing),
        case!(a_conversation_gets_what_live_leads_to),
        case!(a_version_resolves_whatever_live_leads_to),
        case!(an_alias_splits_its_conversations_and_has_others_beside_it)
            .on_another_tier()
            .reaching_alone(&["DELETE /v1/agents/{id}/aliases/{alias}"]),
    ]
}

/// Routes to these versions, each with its weight.
fn routes(weights: &[(u64, u32)]) -> Value {
    weights.iter().map(|(version, weight)| json!({"version": version, "weight": weight})).collect()
}

/// The alias as it is answered, with nothing but routes.
fn alias(name: &str, weights: &[(u64, u32)]) -> Value {
    json!({"name": name, "routes": routes(weights), "paused": false, "policy": {}})
}

async fn live_is_changed_on_condition_and_never_removed(context: &Context) {
    let client = context.client().await;
    let (path, versions) = client.create_published(&["First.", "Second."]).await;
    let (list, live) = (format!("{path}/aliases"), format!("{path}/aliases/live"));
    let before = client.get(&list).send().await.expect(200);
    let etag = before.header("etag").expect("an etag");
    assert_eq!(before.items(), [alias("live", &[(versions[1], 100)])]);
    let change = client.put(&live, &json!({"routes": routes(&[(versions[0], 7)])}));
    for request in [change.clone(), client.request("DELETE", &live)] {
        request.clone().send().await.problem(428, "precondition_required");
        request.clone().header("if-match", "\"1\"").send().await.problem(412, "precondition_failed");
        request.header("if-match", "1").send().await.problem(400, "invalid_parameter");
    }
    client.delete(&live).send().await.problem(409, "conflict");
    client.delete(&format!("{path}/aliases/none")).send().await.problem(404, "not_found");
    assert_eq!(client.get(&list).send().await.expect(200).json(), before.json());
    let changed = change.clone().header("if-match", etag).send().await.expect(200);
    assert_eq!(changed.json(), alias("live", &[(versions[0], 7)]));
    assert_ne!(changed.header("etag"), Some(etag));
    let agent = client.get(&path).send().await.expect(200);
    assert_eq!(agent.header("etag"), changed.header("etag"), "an alias has its agent's tag");
    assert_eq!(agent.json()["aliases"], json!({"live": changed.json()}));
    let same = change.clone().header("if-match", "*").send().await.expect(200);
    assert_eq!((same.json(), same.header("etag")), (changed.json(), changed.header("etag")));
    change.header("if-match", etag).send().await.problem(412, "precondition_failed");
}

async fn what_is_no_alias_is_refused_and_pointed_at(context: &Context) {
    let client = context.client().await;
    let (path, versions) = client.create_published(&["First."]).await;
    let version = versions[0];
    let before = client.get(&path).send().await.expect(200).json();
    let good = routes(&[(version, 1)]);
    for (document, pointer) in [
        (json!({"routes": []}), "/routes"),
        (json!({"routes": routes(&[(version, 0)])}), "/routes/0/weight"),
        (json!({"routes": routes(&[(version, 10_001)])}), "/routes/0/weight"),
        (json!({"routes": routes(&[(version, 1), (version, 2)])}), "/routes/1/version"),
        (json!({"routes": routes(&[(999, 1)])}), "/routes/0/version"),
        (json!({"routes": good, "paused": "yes"}), "/paused"),
        (json!({"routes": good, "policy": {"refuse": ["robots"]}}), "/policy/refuse/0"),
        (json!({"routes": good, "robot": 1}), "/robot"),
    ] {
        let put = client.put(&format!("{path}/aliases/live"), &document).header("if-match", "*");
        let refused = put.send().await;
        let told = refused.problem(422, "validation_failed")["errors"][0]["pointer"].clone();
        assert_eq!(told, pointer, "{document}");
    }
    assert_eq!(client.get(&path).send().await.expect(200).json(), before);
}

async fn what_the_tier_does_not_admit_of_aliases_comes_with_a_fix(context: &Context) {
    let client = context.client().await;
    let (path, versions) = client.create_published(&["First.", "Second."]).await;
    let put = async |name: &str, document: &Value| {
        let request = client.put(&format!("{path}/aliases/{name}"), document);
        request.header("if-match", "*").send().await
    };
    let split = routes(&[(versions[0], 90), (versions[1], 10)]);
    let mut document = json!({"routes": split, "policy": {"approve": ["model_changed"]}});
    let problem = put("live", &document).await.problem(403, "entitlement_exceeded");
    let violations = problem["errors"].as_array().expect("a list");
    let told: Vec<_> =
        violations.iter().map(|violation| json!([violation["code"], violation["min_tier"]])).collect();
    assert_eq!(told, [json!(["traffic_split", "pro"]), json!(["approvals", "enterprise"])]);
    for violation in violations {
        let fix: Patch = serde_json::from_value(violation["fix"].clone()).expect("a JSON Patch");
        json_patch::patch(&mut document, &fix).expect("a fix applies to what was sent");
    }
    // The heaviest stays.
    assert_eq!(put("live", &document).await.expect(200).json(), alias("live", &[(versions[0], 90)]));
    let violation = put("beta", &document).await.problem(403, "entitlement_exceeded")["errors"][0].clone();
    assert_eq!((&violation["code"], &violation["limit"]), (&json!("aliases_limit"), &json!(1)));
    assert_eq!(violation["min_tier"], "pro");
}

async fn a_policy_refuses_the_risks_that_it_names(context: &Context) {
    let client = context.client().await;
    let (path, versions) = client.create_published(&["First."]).await;
    let put = async |document: Value| {
        let request = client.put(&format!("{path}/aliases/live"), &document);
        request.header("if-match", "*").send().await.expect(200).json()
    };
    let policy = json!({"refuse": ["instructions_changed"]});
    let strict = put(json!({"routes": routes(&[(versions[0], 100)]), "policy": policy})).await;
    assert_eq!(strict["policy"], policy);
    client.merge(&path, &json!({"name": "Renamed"})).send().await.expect(200);
    let second = client.publish(&path).await;
    client.instruct(&path, "Third.").await;
    let before = client.get(&path).send().await.expect(200).json();
    let refused = client.request("POST", &format!("{path}/publish")).send().await;
    let risk = refused.problem(403, "policy_refused")["errors"][0].clone();
    assert_eq!(
        (&risk["code"], &risk["pointer"]),
        (&json!("instructions_changed"), &json!("/config/instructions"))
    );
    assert_eq!(client.get(&path).send().await.expect(200).json(), before);
    let loose = put(json!({"routes": routes(&[(second, 100)])})).await;
    assert_eq!(loose["policy"], json!({}));
    let third = client.publish(&path).await;
    // It is a policy of changes in either direction.
    put(json!({"routes": routes(&[(third, 100)]), "policy": policy})).await;
    let back = client.request("POST", &format!("{path}/rollback")).send().await;
    back.problem(403, "policy_refused");
}

async fn a_paused_alias_resolves_to_nothing(context: &Context) {
    let client = context.client().await;
    let (path, versions) = client.create_published(&["First."]).await;
    let pause = async |is_paused: bool| {
        let document = json!({"routes": routes(&[(versions[0], 100)]), "paused": is_paused});
        let request = client.put(&format!("{path}/aliases/live"), &document);
        request.header("if-match", "*").send().await.expect(200).json()
    };
    assert_eq!(pause(true).await["paused"], json!(true));
    let refused = eventually("a paused alias", async || {
        let answer = client.get(&format!("{path}/resolved")).send().await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    refused.problem(423, "locked");
    client.get(&format!("{path}/resolved?version={}", versions[0])).send().await.expect(200);
    assert_eq!(pause(false).await["paused"], json!(false));
    client.resolved(&path, versions[0]).await;
    let events = client.events(5).await;
    for event in &events[3..] {
        assert_eq!(
            (&event["type"], &event["changed"]),
            (&json!("agent.alias_changed"), &json!(["/aliases/live/paused"]))
        );
    }
}

async fn an_unpublished_agent_resolves_to_nothing(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    for query in ["", "?alias=live", "?conversation=c-1"] {
        client.get(&format!("{path}/resolved{query}")).send().await.problem(409, "unpublished");
    }
    for query in ["?version=1", "?alias=beta"] {
        client.get(&format!("{path}/resolved{query}")).send().await.problem(404, "not_found");
    }
    for query in ["?alias=Beta", "?version=x", "?alias=live&version=1", "?conversation=", "?colour=red"] {
        client.get(&format!("{path}/resolved{query}")).send().await.problem(400, "invalid_parameter");
    }
    let none = client.get(&format!("{path}/aliases")).send().await.expect(200).json();
    assert_eq!(none, json!({"items": [], "next_cursor": null}));
}

async fn a_conversation_gets_what_live_leads_to(context: &Context) {
    let client = context.client().await;
    let (path, versions) = client.create_published(&["First."]).await;
    let agent = client.get(&path).send().await.expect(200).json();
    let at = format!("{path}/resolved");
    let answer = client.get(&at).send().await.expect(200);
    let expected = json!({
        "agent_id": agent["id"],
        "alias": "live",
        "version": versions[0],
        "routes": routes(&[(versions[0], 100)]),
        "config_hash": agent["config_hash"],
        "config": agent["config"],
    });
    assert_eq!(answer.json(), expected);
    for query in ["alias=live", "conversation=c-1", "conversation=c-1", "alias=live&conversation=c-2"] {
        let same = client.get(&format!("{at}?{query}")).send().await.expect(200);
        assert_eq!((same.json(), same.header("etag")), (expected.clone(), answer.header("etag")), "{query}");
    }
    let etag = answer.header("etag").expect("an etag");
    let conditional = async |tag: &str| client.get(&at).header("if-none-match", tag).send().await;
    let unchanged = conditional(etag).await.expect(304);
    assert_eq!((unchanged.body.len(), unchanged.header("etag")), (0, Some(etag)));
    // A draft is nobody's yet.
    client.instruct(&path, "Second.").await;
    conditional(etag).await.expect(304);
    let second = client.publish(&path).await;
    let changed = client.resolved(&path, second).await;
    assert_eq!(changed.json()["config"]["instructions"], "Second.");
    assert_ne!(changed.header("etag"), Some(etag));
}

async fn a_version_resolves_whatever_live_leads_to(context: &Context) {
    let client = context.client().await;
    let (path, versions) = client.create_published(&["First.", "Second."]).await;
    for (version, text) in versions.iter().zip(["First.", "Second."]) {
        let at = format!("{path}/resolved?version={version}");
        let answer = client.get(&at).send().await.expect(200);
        let resolved = answer.json();
        assert_eq!((&resolved["version"], &resolved["alias"]), (&json!(version), &json!(null)));
        assert_eq!((&resolved["config"]["instructions"], &resolved["routes"]), (&json!(text), &json!([])));
        let etag = answer.header("etag").expect("an etag");
        client.get(&at).header("if-none-match", etag).send().await.expect(304);
    }
    client.get(&format!("{path}/resolved?version=999")).send().await.problem(404, "not_found");
}

/// The version that each conversation gets.
async fn taken(client: &Client, path: &str) -> Vec<u64> {
    let asked = (0..CONVERSATIONS)
        .map(|conversation| client.get(&format!("{path}/resolved?conversation=c-{conversation}")).send());
    let answers = join_all(asked).await.into_iter();
    answers.map(|answer| answer.expect(200).json()["version"].as_u64().expect("a number")).collect()
}

async fn an_alias_splits_its_conversations_and_has_others_beside_it(context: &Context) {
    let client = context.client_on("pro").await;
    let (path, versions) = client.create_published(&["First.", "Second."]).await;
    let (first, second) = (versions[0], versions[1]);
    let put = async |name: &str, weights: &[(u64, u32)]| {
        let request = client.put(&format!("{path}/aliases/{name}"), &json!({"routes": routes(weights)}));
        request.header("if-match", "*").send().await
    };
    let even = put("live", &[(second, 50), (first, 50)]).await.expect(200);
    assert_eq!(even.json(), alias("live", &[(first, 50), (second, 50)]));
    let before = taken(&client, &path).await;
    assert!(before.contains(&first) && before.contains(&second), "{before:?}");
    assert_eq!(taken(&client, &path).await, before, "a conversation stays where it is");
    put("live", &[(first, 50), (second, 200)]).await.expect(200);
    let after = taken(&client, &path).await;
    let mut moved = before.iter().zip(&after).filter(|(before, after)| before != after);
    assert!(moved.all(|(_, after)| *after == second), "{before:?} and then {after:?}");
    client.resolved(&path, second).await;
    let at = format!("{path}/aliases/beta");
    let created = put("beta", &[(first, 1)]).await.expect(201);
    assert!(created.header("location").is_some_and(|location| location.ends_with(&at)), "{created}");
    let beta = created.json();
    assert_eq!(beta, alias("beta", &[(first, 1)]));
    assert_eq!(put("beta", &[(first, 1)]).await.expect(200).json(), beta);
    let resolved = client.get(&format!("{path}/resolved?alias=beta")).send().await.expect(200).json();
    assert_eq!((&resolved["alias"], &resolved["version"]), (&json!("beta"), &json!(first)));
    let list = client.get(&format!("{path}/aliases")).send().await.expect(200).items();
    assert_eq!(list, [beta, alias("live", &[(first, 50), (second, 200)])]);
    let rows = client.get(&format!("{path}/versions")).send().await.expect(200).items();
    let told: Vec<_> = rows.iter().map(|row| row["aliases"].clone()).collect();
    assert_eq!(told, [json!(["live"]), json!(["beta", "live"])]);
    client.request("DELETE", &at).send().await.problem(428, "precondition_required");
    assert_eq!(client.delete(&at).send().await.expect(204).body.len(), 0);
    client.delete(&at).send().await.problem(404, "not_found");
    client.get(&format!("{path}/resolved?alias=beta")).send().await.problem(404, "not_found");
    let events = client.events(10).await;
    // The first one entitled the tenant.
    let changed: Vec<_> = events[6..].iter().map(|event| json!([event["type"], event["changed"]])).collect();
    let of = |pointer: &str| json!(["agent.alias_changed", [pointer]]);
    let expected = ["/aliases/live/routes", "/aliases/live/routes", "/aliases/beta", "/aliases/beta"].map(of);
    assert_eq!(changed, expected);
}
