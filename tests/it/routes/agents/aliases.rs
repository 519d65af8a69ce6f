use std::collections::BTreeMap;

use agent_management::tier::LimitName;
use harness::{App, an_agent};
use http::Method;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::publish::{create, live, publish, publish_as};

/// A tenant that may split conversations, with an agent that has two versions.
async fn two_versions() -> (App, String, [u64; 2]) {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let path = create(&app.client(), &an_agent().build()).await;
    let first = publish(&app.client(), &path).await;
    let second = publish_as(&app.client(), &path, "Two").await;
    (app, path, [first, second])
}

#[tokio::test]
async fn an_alias_leads_to_versions_by_weight() {
    let (app, path, [first, second]) = two_versions().await;
    let client = app.client();
    // In the order of versions, however they come.
    let routes = json!([{"version": second, "weight": 1}, {"version": first, "weight": 3}]);
    let put = client.put(&format!("{path}/aliases/beta"), &json!({"routes": routes})).send().await;
    assert_snapshot!(put);
    client.put(&format!("{path}/aliases/beta"), &json!({"routes": routes})).send().await.expect(200);
    assert_eq!(client.get(&path).send().await.json()["aliases"]["beta"], put.json());
    assert_snapshot!(client.get(&format!("{path}/aliases")).send().await);
    let mut taken = [0, 0];
    for index in 0..400 {
        let resolved = client.get(&format!("{path}/resolved?alias=beta&conversation=c{index}")).send().await;
        let version = resolved.expect(200).json()["version"].as_u64().expect("a number");
        taken[usize::from(version == second)] += 1;
    }
    assert!((250..350).contains(&taken[0]), "{taken:?}");
    client.delete(&format!("{path}/aliases/beta")).send().await.expect(204);
    client.delete(&format!("{path}/aliases/beta")).send().await.expect(404);
    client.get(&format!("{path}/resolved?alias=beta")).send().await.expect(404);
}

#[tokio::test]
async fn what_is_no_alias_is_refused() {
    let (app, path, [first, _]) = two_versions().await;
    let client = app.client();
    let put = |name: &str, document: Value| client.put(&format!("{path}/aliases/{name}"), &document).send();
    let one = json!({"routes": [{"version": first, "weight": 1}]});
    for name in ["Beta", "1x", "a%20b", &"a".repeat(65)] {
        put(name, one.clone()).await.expect(404);
    }
    let route = |version: u64, weight: u64| json!({"version": version, "weight": weight});
    for (routes, pointer, code) in [
        (json!([]), "/routes", "length"),
        (json!([route(first, 0)]), "/routes/0/weight", "out_of_range"),
        (json!([route(first, 10_001)]), "/routes/0/weight", "out_of_range"),
        (json!([route(first, 1), route(first, 2)]), "/routes/1/version", "duplicate"),
        (json!([route(99, 1)]), "/routes/0/version", "unknown_version"),
    ] {
        let refused = put("beta", json!({"routes": routes})).await.expect(422);
        assert_eq!(
            (refused.text("/errors/0/pointer").as_str(), refused.text("/errors/0/code").as_str()),
            (pointer, code)
        );
    }
    put("beta", json!({"routes": [route(first, 1)], "policy": {"refuse": ["nonsense"]}})).await.expect(422);
    let without = client.request(Method::PUT, &format!("{path}/aliases/beta")).json(&one).send().await;
    without.expect(428);
    let stale =
        client.request(Method::PUT, &format!("{path}/aliases/beta")).json(&one).header("if-match", "\"1\"");
    stale.send().await.expect(412);
    assert_eq!(
        client.delete(&format!("{path}/aliases/live")).send().await.expect(409).text("/code"),
        "conflict"
    );
}

#[tokio::test]
async fn aliases_that_would_not_fit_in_the_head_are_refused() {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let client = app.client();
    let path = create(&client, &an_agent().build()).await;
    // Versions that each use 32 other agents.
    let mut routes = Vec::new();
    for version in 0..10 {
        let used =
            |index: usize| json!({"id": format!("agt_{version:013}{index:013}"), "alias": "a".repeat(64)});
        let sub_agents: Vec<Value> = (0..32).map(used).collect();
        client.patch(&path, &json!({"config": {"sub_agents": sub_agents}})).send().await.expect(200);
        routes.push(json!({"version": publish(&client, &path).await, "weight": 1}));
    }
    let put = |name: &str| client.put(&format!("{path}/aliases/{name}"), &json!({"routes": routes})).send();
    put("one").await.expect(201);
    let refused = put("two").await.expect(409);
    assert!(refused.text("/detail").contains("too much"), "{refused}");
}

#[tokio::test]
async fn the_tier_bounds_aliases_splits_and_approvals() {
    let (app, path, [first, second]) = two_versions().await;
    let split = json!({"routes": [{"version": first, "weight": 9}, {"version": second, "weight": 1}]});
    app.client().put(&format!("{path}/aliases/live"), &split).send().await.expect(200);
    app.set_tier("acme", "free", [].into()).await;
    let client = app.client();
    assert_snapshot!(client.put(&format!("{path}/aliases/beta"), &split).send().await);
    // The fix is of what was sent, in whatever order: the heaviest stays.
    let other_way = json!({"routes": [split["routes"][1], split["routes"][0]]});
    let refused = client.put(&format!("{path}/aliases/beta"), &other_way).send().await.expect(403);
    assert_eq!(refused.json()["errors"][1]["fix"], json!([{"op": "remove", "path": "/routes/0"}]));
    // What was split before stays so.
    let paused = json!({"routes": split["routes"], "paused": true});
    client.put(&format!("{path}/aliases/live"), &paused).send().await.expect(200);
    app.set_tier("acme", "pro", BTreeMap::from([(LimitName::AliasesPerAgent, Some(1))])).await;
    let client = app.client();
    let one = json!({"routes": [{"version": first, "weight": 1}], "policy": {"approve": ["model_changed"]}});
    let refused = client.put(&format!("{path}/aliases/live"), &one).send().await.expect(403);
    assert_eq!(
        (refused.text("/errors/0/code").as_str(), refused.text("/errors/0/min_tier").as_str()),
        ("approvals", "enterprise")
    );
}

#[tokio::test]
async fn a_paused_alias_resolves_to_nothing_and_its_versions_still_do() {
    let (app, path, [first, second]) = two_versions().await;
    let client = app.client();
    let get = |query: &str| client.get(&format!("{path}/resolved{query}")).send();
    assert_snapshot!(get("").await);
    let paused = |is_paused: bool| json!({"routes": [{"version": second, "weight": 1}], "paused": is_paused});
    client.put(&format!("{path}/aliases/live"), &paused(true)).send().await.expect(200);
    assert_snapshot!(get("").await);
    // Publishing does not resume.
    publish_as(&client, &path, "Three").await;
    assert_eq!(get("").await.expect(423).text("/code"), "locked");
    assert_eq!(get(&format!("?version={first}")).await.expect(200).json()["version"], first);
    client.put(&format!("{path}/aliases/live"), &paused(false)).send().await.expect(200);
    let etag = get("").await.expect(200).header("etag").expect("a tag").to_owned();
    let same = client.get(&format!("{path}/resolved")).header("if-none-match", &etag).send().await;
    same.expect(304);
    client.post(&format!("{path}/archive"), &json!({})).send().await.expect(200);
    assert_eq!(get("").await.expect(423).text("/detail"), "It is archived.");
    client.post(&format!("{path}/restore"), &json!({})).send().await.expect(200);
    get("").await.expect(200);
    for bad in [
        "?alias=A",
        "?version=x",
        "?version=1&alias=live",
        "?conversation=",
        &format!("?conversation={}", "c".repeat(257)),
    ] {
        get(bad).await.expect(400);
    }
    get("?version=99").await.expect(404);
}

#[tokio::test]
async fn a_conversation_keeps_its_version_while_the_routes_stay() {
    let (app, path, [first, second]) = two_versions().await;
    let client = app.client();
    let routes = json!([{"version": first, "weight": 50}, {"version": second, "weight": 50}]);
    client.put(&format!("{path}/aliases/live"), &json!({"routes": routes})).send().await.expect(200);
    let resolve = async |conversation: usize| {
        let resolved = client.get(&format!("{path}/resolved?conversation=c{conversation}")).send().await;
        let resolved = resolved.expect(200).json();
        let number = resolved["version"].as_u64().expect("a number");
        let version = client.get(&format!("{path}/versions/{number}")).send().await.expect(200).json();
        assert_eq!(resolved["config"], version["config"]);
        number
    };
    let mut before = Vec::new();
    for conversation in 0..20 {
        before.push(resolve(conversation).await);
    }
    assert!(before.contains(&first) && before.contains(&second), "{before:?}");
    // The draft is nobody's business here.
    client.patch(&path, &json!({"name": "Draft"})).send().await.expect(200);
    for (conversation, version) in before.iter().enumerate() {
        assert_eq!(resolve(conversation).await, *version);
    }
    assert_eq!(live(&client, &path).await["routes"], routes);
}

#[tokio::test]
async fn a_diff_is_a_patch_and_its_risks() {
    let (app, path, [first, _]) = two_versions().await;
    let client = app.client();
    let risky = json!({"config": {"tools": [{"tool_id": "shell"}], "instructions": null}});
    client.patch(&path, &risky).send().await.expect(200);
    assert_snapshot!(client.get(&format!("{path}/diff")).send().await);
    let same = client.get(&format!("{path}/diff?from=live&to=live")).send().await.expect(200).json();
    assert_eq!((&same["patch"], &same["risks"]), (&json!([]), &json!([])));
    let back = client.get(&format!("{path}/diff?from=draft&to={first}")).send().await.expect(200).json();
    assert_eq!((&back["from"], &back["to"]), (&json!("draft"), &json!(first.to_string())));
    for bad in ["from=x", "to=01", "from=-1", "to="] {
        client.get(&format!("{path}/diff?{bad}")).send().await.expect(400);
    }
    client.get(&format!("{path}/diff?to=99")).send().await.expect(404);
    let unpublished = create(&client, &an_agent().build()).await;
    for query in ["", "?from=live"] {
        let answer = client.get(&format!("{unpublished}/diff{query}")).send().await.expect(409);
        assert_eq!(answer.text("/code"), "unpublished");
    }
    client.get(&format!("{unpublished}/diff?from=draft")).send().await.expect(200);
}
