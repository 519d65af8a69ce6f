//! Versions: publishing a draft, reading what was published, comparing it, and going back to it.

use futures_util::future::join_all;
use harness::an_agent;
use json_patch::Patch;
use serde_json::{Value, json};

use super::{Case, case};
use crate::client::path_of;
use crate::context::{Context, USER, eventually};

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_published_draft_is_a_version_and_live_leads_to_it),
        case!(an_unchanged_draft_is_no_new_version),
        case!(of_publications_at_once_one_makes_a_version),
        case!(a_replayed_publication_answers_its_own_version),
        case!(an_agent_is_published_as_it_is_created),
        case!(publishing_needs_the_draft_that_was_read_and_a_good_document),
        case!(versions_are_listed_newest_first),
        case!(a_version_s_content_becomes_the_draft_again),
        case!(a_diff_is_a_patch_and_the_risks_of_it),
        case!(a_diff_is_of_what_there_is),
        case!(rolling_back_leads_live_to_an_earlier_version),
        case!(publications_and_rollbacks_are_events),
        case!(an_archived_agent_s_versions_can_only_be_read),
    ]
}

async fn a_published_draft_is_a_version_and_live_leads_to_it(context: &Context) {
    let client = context.client().await;
    let tools = json!([{"tool_id": "search", "version": "1"}]);
    let agent = client.create(&an_agent().configured("tools", tools).build()).await;
    assert_eq!((&agent["published_version"], &agent["unpublished_changes"]), (&json!(null), &json!(true)));
    assert_eq!(agent["aliases"], json!({}));
    let path = path_of(&agent);
    let release = json!({"title": "First", "notes": "What customers see."});
    let published = client.post(&format!("{path}/publish"), &release).send().await.expect(201);
    let publication = published.json();
    assert_eq!((&publication["minted"], &publication["approval"]), (&json!(true), &json!(null)));
    let version = &publication["version"];
    for member in ["title", "notes"] {
        assert_eq!(version[member], release[member], "{member}");
    }
    for member in ["name", "description", "tags", "metadata", "config", "config_hash"] {
        assert_eq!(version[member], agent[member], "{member}");
    }
    // A version has the number of the draft that it was taken from.
    assert_eq!((&version["agent_id"], &version["version"]), (&agent["id"], &agent["rev"]));
    assert_eq!((&version["published_by"], &version["previous"]), (&json!(USER), &json!(null)));
    let pins = json!({"tools": [{"tool_id": "search", "version": "1", "schema_hash": null}]});
    assert_eq!(version["pins"], pins);
    let routes = json!([{"version": 1, "weight": 100}]);
    let live = json!({"name": "live", "routes": routes, "paused": false, "policy": {}});
    assert_eq!((&publication["live"], published.header("etag")), (&live, Some("\"2\"")));
    let location = published.header("location").expect("a location");
    let got = client.get(&context.follow(&published, location)).send().await.expect(200);
    assert_eq!(&got.json(), version);
    let agent = client.get(&path).send().await.expect(200).json();
    assert_eq!((&agent["published_version"], &agent["unpublished_changes"]), (&json!(1), &json!(false)));
    assert_eq!(agent["aliases"], json!({"live": live}));
}

async fn an_unchanged_draft_is_no_new_version(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    let publish = || client.request("POST", &format!("{path}/publish"));
    let first = publish().send().await.expect(201).json();
    let agent = client.get(&path).send().await.expect(200).json();
    let second = publish().send().await.expect(200);
    assert_eq!(second.header("etag"), Some("\"2\""));
    let second = second.json();
    assert_eq!((&second["minted"], &second["version"]), (&json!(false), &first["version"]));
    assert_eq!(client.get(&path).send().await.expect(200).json(), agent);
    // Nor is one that is again as it was.
    client.instruct(&path, "Other.").await;
    client.post(&format!("{path}/versions/1/restore"), &json!({})).send().await.expect(200);
    let third = publish().send().await.expect(200).json();
    assert_eq!((&third["minted"], &third["version"]), (&json!(false), &first["version"]));
}

async fn of_publications_at_once_one_makes_a_version(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    let racers = (0..6).map(|racer| {
        let publish = client.post(&format!("{path}/publish"), &json!({"title": format!("Racer {racer}")}));
        publish.header("idempotency-key", &format!("racer-{racer}")).send_until_answered()
    });
    let answers = join_all(racers).await;
    let winners: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(winners.len(), 1);
    let version = winners[0].json()["version"].clone();
    for answer in &answers {
        assert!([200, 201].contains(&answer.status), "{answer}");
        assert_eq!(answer.json()["version"], version, "{answer}");
    }
    let rows = client.get(&format!("{path}/versions")).send().await.expect(200).items();
    assert_eq!((rows.len(), &rows[0]["title"]), (1, &version["title"]));
}

async fn a_replayed_publication_answers_its_own_version(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    let publish = |title: &str| {
        let request = client.post(&format!("{path}/publish"), &json!({"title": title}));
        request.header("idempotency-key", "one").send()
    };
    let first = publish("First").await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), None);
    client.instruct(&path, "Other.").await;
    let second = client.publish(&path).await;
    let replay = publish("First").await.expect(201);
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
    assert_eq!(replay.json()["version"], first.json()["version"]);
    assert_eq!(replay.header("location"), first.header("location"));
    assert_eq!(replay.json()["live"]["routes"], json!([{"version": second, "weight": 100}]));
    publish("Other").await.problem(422, "idempotency_key_reused");
    let rows = client.get(&format!("{path}/versions")).send().await.expect(200).items();
    assert_eq!(rows.len(), 2);
}

async fn an_agent_is_published_as_it_is_created(context: &Context) {
    let client = context.client().await;
    let document = an_agent().build();
    let create = || client.post("/v1/agents?publish=true", &document).header("idempotency-key", "one");
    let created = create().send().await.expect(201);
    let agent = created.json();
    assert_eq!((&agent["published_version"], &agent["unpublished_changes"]), (&json!(1), &json!(false)));
    assert_eq!((&agent["rev"], created.header("etag")), (&json!(2), Some("\"2\"")));
    assert_eq!(client.get(&path_of(&agent)).send().await.expect(200).json(), agent);
    let replay = create().send().await.expect(201);
    assert_eq!((replay.json(), replay.header("idempotent-replayed")), (agent.clone(), Some("true")));
    let version = client.get(&format!("{}/versions/1", path_of(&agent))).send().await.expect(200).json();
    assert_eq!(version["config"], document["config"]);
    let would = client.post("/v1/agents?publish=true&validate_only=true", &document).send().await.expect(200);
    assert_eq!(would.json()["published_version"], json!(null));
    let bad = client.post("/v1/agents?publish=maybe", &document).send().await;
    bad.problem(400, "invalid_parameter");
    let scopes = json!(["agents:read", "agents:write"]);
    let said = json!({"tenant": client.tenant, "user": USER, "scopes": scopes});
    let refused = context.client_with(&said).await.post("/v1/agents?publish=true", &document).send().await;
    refused.problem(403, "insufficient_scope");
    assert_eq!(client.used().await, 1);
}

async fn publishing_needs_the_draft_that_was_read_and_a_good_document(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    let publish = |release: &Value| client.post(&format!("{path}/publish"), release);
    publish(&json!({})).header("if-match", "\"2\"").send().await.problem(412, "precondition_failed");
    publish(&json!({})).header("if-match", "1").send().await.problem(400, "invalid_parameter");
    for (release, pointer) in [
        (json!({"title": ""}), "/title"),
        (json!({"title": 1}), "/title"),
        (json!({"notes": "x".repeat(4_001)}), "/notes"),
        (json!({"version": 1}), "/version"),
    ] {
        let refused = publish(&release).send().await;
        assert_eq!(refused.problem(422, "validation_failed")["errors"][0]["pointer"], pointer);
    }
    let rows = client.get(&format!("{path}/versions")).send().await.expect(200).json();
    assert_eq!(rows, json!({"items": [], "next_cursor": null}));
    publish(&json!({})).header("if-match", "\"1\"").send().await.expect(201);
}

async fn versions_are_listed_newest_first(context: &Context) {
    let client = context.client().await;
    let (path, mut versions) = client.create_published(&["First.", "Second.", "Third."]).await;
    let list = format!("{path}/versions");
    let whole = client.get(&list).send().await.expect(200);
    assert_eq!(whole.json()["next_cursor"], json!(null));
    let rows = whole.items();
    let told = |member: &str| rows.iter().map(|row| row[member].clone()).collect::<Vec<_>>();
    versions.reverse();
    assert_eq!(told("version"), versions);
    assert_eq!(told("aliases"), [json!(["live"]), json!([]), json!([])]);
    for row in &rows {
        assert_eq!(row["model"], json!({"provider": "anthropic", "id": "claude-haiku-4-5"}));
        let version = client.get(&format!("{list}/{}", row["version"])).send().await.expect(200).json();
        for member in ["title", "notes", "published_at", "published_by", "config_hash"] {
            assert_eq!(row[member], version[member], "{member}");
        }
    }
    let page = client.get(&format!("{list}?limit=2")).send().await.expect(200);
    assert_eq!(page.items(), rows[..2]);
    let cursor = page.text("/next_cursor");
    let rest = client.get(&format!("{list}?limit=2&cursor={cursor}")).send().await.expect(200);
    assert_eq!((rest.items(), &rest.json()["next_cursor"]), (rows[2..].to_vec(), &json!(null)));
    let other = client.create_at(&an_agent().build()).await;
    for bad in [format!("{other}/versions?cursor={cursor}"), format!("{list}?cursor=AAAA")] {
        client.get(&bad).send().await.problem(400, "invalid_cursor");
    }
    client.get(&format!("{list}?limit=0")).send().await.problem(400, "invalid_parameter");
    for none in ["999", "0", "x"] {
        client.get(&format!("{list}/{none}")).send().await.problem(404, "not_found");
    }
}

async fn a_version_s_content_becomes_the_draft_again(context: &Context) {
    let client = context.client().await;
    let (path, versions) = client.create_published(&["First.", "Second."]).await;
    let before = client.get(&path).send().await.expect(200).json();
    let restore = |version: u64| client.request("POST", &format!("{path}/versions/{version}/restore"));
    restore(999).send().await.problem(404, "not_found");
    let stale = restore(versions[0]).header("if-match", "\"1\"").send().await;
    stale.problem(412, "precondition_failed");
    let restored = restore(versions[0]).send().await.expect(200);
    let agent = restored.json();
    assert_eq!(agent["config"]["instructions"], "First.");
    assert_eq!(
        (&agent["published_version"], &agent["unpublished_changes"]),
        (&json!(versions[1]), &json!(true))
    );
    assert_eq!(agent["aliases"], before["aliases"], "live leads where it led");
    assert_eq!(client.get(&path).send().await.expect(200).json(), agent);
    assert_eq!(restore(versions[0]).send().await.expect(200).json(), agent, "twice is once");
    let third = client.publish(&path).await;
    let diff = client.get(&format!("{path}/diff?from={}&to={third}", versions[0])).send().await.expect(200);
    assert_eq!(diff.json()["patch"], json!([]));
}

/// What clients write, of an agent or a version.
fn content(document: &Value) -> Value {
    let members = ["name", "description", "tags", "metadata", "config"];
    members.into_iter().map(|member| (member, document[member].clone())).collect()
}

async fn a_diff_is_a_patch_and_the_risks_of_it(context: &Context) {
    let client = context.client().await;
    let tools = json!([{"tool_id": "search", "approval": "always"}]);
    let document = an_agent().with("tags", json!(["eu"])).configured("tools", tools);
    let path = client.create_at(&document.build()).await;
    let first = client.publish(&path).await;
    let tools = json!([{"tool_id": "search"}, {"tool_id": "mail"}]);
    let config = json!({"instructions": "Be brief.", "tools": tools});
    let change = json!({"description": "Answers.", "tags": ["eu", "us"], "config": config});
    client.merge(&path, &change).send().await.expect(200);
    let second = client.publish(&path).await;
    let change = json!({"description": null, "config": {"limits": {"max_steps": 5}}});
    let draft = client.merge(&path, &change).send().await.expect(200).json();
    let mut contents = vec![("draft".to_owned(), content(&draft))];
    for version in [first, second] {
        let got = client.get(&format!("{path}/versions/{version}")).send().await.expect(200).json();
        contents.push((version.to_string(), content(&got)));
    }
    for (from, before) in &contents {
        for (to, after) in &contents {
            let at = format!("{path}/diff?from={from}&to={to}");
            let diff = client.get(&at).send().await.expect(200).json();
            assert_eq!((&diff["from"], &diff["to"]), (&json!(from), &json!(to)));
            let patch: Patch = serde_json::from_value(diff["patch"].clone()).expect("a JSON Patch");
            let mut patched = before.clone();
            json_patch::patch(&mut patched, &patch).expect("it applies to what it is from");
            assert_eq!(&patched, after, "{diff}");
            assert_eq!(diff["risks"] == json!([]), from == to, "{diff}");
        }
    }
    let diff = client.get(&format!("{path}/diff?from={first}&to={second}")).send().await.expect(200).json();
    let risks = diff["risks"].as_array().expect("a list");
    let told: Vec<_> =
        risks.iter().map(|risk| json!([risk["class"], risk["pointer"], risk["elevated"]])).collect();
    let expected = [
        json!(["tools_widened", "/config/tools/1", true]),
        json!(["tool_approval_removed", "/config/tools/0/approval", true]),
        json!(["instructions_changed", "/config/instructions", true]),
        json!(["description_changed", "/description", false]),
        json!(["description_changed", "/tags", false]),
    ];
    assert_eq!(told, expected);
    assert!(risks.iter().all(|risk| risk["rule"].as_str().is_some_and(|rule| !rule.is_empty())), "{diff}");
}

async fn a_diff_is_of_what_there_is(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    let diff = async |query: &str| client.get(&format!("{path}/diff{query}")).send().await;
    for query in ["", "?to=live", "?from=live", "?from=draft&to=live"] {
        diff(query).await.problem(409, "unpublished");
    }
    let nothing = json!({"from": "draft", "to": "draft", "patch": [], "risks": []});
    assert_eq!(diff("?from=draft").await.expect(200).json(), nothing);
    let version = client.publish(&path).await.to_string();
    for query in ["", "?from=live", "?to=draft"] {
        let told = diff(query).await.expect(200).json();
        assert_eq!((&told["from"], &told["to"]), (&json!(version), &json!("draft")), "{query}");
    }
    diff("?from=999").await.problem(404, "not_found");
    for bad in ["?from=x", "?to=01", "?to=", "?colour=red"] {
        diff(bad).await.problem(400, "invalid_parameter");
    }
}

async fn rolling_back_leads_live_to_an_earlier_version(context: &Context) {
    let client = context.client().await;
    let unpublished = client.create_at(&an_agent().build()).await;
    let refused = client.request("POST", &format!("{unpublished}/rollback")).send().await;
    refused.problem(409, "unpublished");
    let (path, versions) = client.create_published(&["First.", "Second.", "Third."]).await;
    let rollback = |said: &Value| client.post(&format!("{path}/rollback"), said);
    let before = client.get(&path).send().await.expect(200).json();
    let unknown = rollback(&json!({"version": 999})).send().await;
    let violation = unknown.problem(422, "validation_failed")["errors"][0].clone();
    assert_eq!((&violation["pointer"], &violation["code"]), (&json!("/version"), &json!("unknown_version")));
    let stale = rollback(&json!({})).header("if-match", "\"1\"").send().await;
    stale.problem(412, "precondition_failed");
    assert_eq!(client.get(&path).send().await.expect(200).json(), before);
    let back = client.request("POST", &format!("{path}/rollback")).send().await.expect(200).json();
    assert_eq!(back["aliases"]["live"]["routes"], json!([{"version": versions[1], "weight": 100}]));
    for member in ["config", "published_version", "unpublished_changes"] {
        assert_eq!(back[member], before[member], "{member}");
    }
    assert_eq!(client.get(&path).send().await.expect(200).json(), back);
    let resolved = client.resolved(&path, versions[1]).await.json();
    assert_eq!(resolved["config"]["instructions"], "Second.");
    let first = rollback(&json!({"version": versions[0]})).send().await.expect(200).json();
    assert_eq!(first["aliases"]["live"]["routes"], json!([{"version": versions[0], "weight": 100}]));
    let again = rollback(&json!({"version": versions[0]})).send().await.expect(200).json();
    assert_eq!(again, first, "going back twice is going back once");
    rollback(&json!({})).send().await.problem(409, "conflict");
}

async fn publications_and_rollbacks_are_events(context: &Context) {
    let client = context.client().await;
    let (path, versions) = client.create_published(&["First.", "Second."]).await;
    client.request("POST", &format!("{path}/rollback")).send().await.expect(200);
    let forth = json!({"version": versions[1]});
    client.post(&format!("{path}/rollback"), &forth).send().await.expect(200);
    let expected = [
        "agent.created",
        "agent.updated",
        "agent.published",
        "agent.updated",
        "agent.published",
        "agent.rolled_back",
        "agent.alias_changed",
    ];
    let events = client.events(expected.len()).await;
    let told: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(told, expected);
    assert_eq!(events[2]["changed"], json!(["/aliases/live"]));
    assert_eq!(events[5]["changed"], json!(["/aliases/live/routes"]));
    let some = "/v1/events?types=agent.published,agent.rolled_back,agent.alias_changed";
    let some = client.get(some).send().await.expect(200).items();
    let revs: Vec<_> = some.iter().map(|event| event["data"]["rev"].clone()).collect();
    assert_eq!(revs, [3, 5, 6, 7]);
}

async fn an_archived_agent_s_versions_can_only_be_read(context: &Context) {
    let client = context.client().await;
    let (path, versions) = client.create_published(&["First.", "Second."]).await;
    client.request("POST", &format!("{path}/archive")).send().await.expect(200);
    for action in ["publish", "rollback", &format!("versions/{}/restore", versions[0])] {
        client.request("POST", &format!("{path}/{action}")).send().await.problem(409, "conflict");
    }
    let routes = json!([{"version": versions[0], "weight": 100}]);
    let put = client.put(&format!("{path}/aliases/live"), &json!({"routes": routes}));
    put.header("if-match", "*").send().await.problem(409, "conflict");
    let version = format!("{path}/versions/{}", versions[0]);
    assert_eq!(client.get(&version).send().await.expect(200).json()["config"]["instructions"], "First.");
    let refused = eventually("an agent that resolves to nothing", async || {
        let answer = client.get(&format!("{path}/resolved")).send().await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    refused.problem(423, "locked");
}
