//! What happens to an agent beyond its content: archived, restored, copied, handed over, deleted; and
//! the verdict on a draft.

use harness::an_agent;
use json_patch::Patch;
use serde_json::{Value, json};

use super::{Case, case};
use crate::client::{id_of, path_of};
use crate::context::{Context, USER, eventually};

pub fn cases() -> Vec<Case> {
    vec![
        case!(an_archived_agent_does_not_count_and_is_read_only),
        case!(a_copy_is_an_agent_of_its_own),
        case!(transferring_gives_an_agent_another_owner),
        case!(a_deleted_agent_is_gone_from_everywhere),
        case!(a_key_s_next_agent_goes_on_where_the_deleted_one_ended),
        case!(a_verdict_lists_what_keeps_a_document_from_being_created),
        case!(a_draft_is_held_against_the_tier),
        case!(a_fix_makes_a_refused_request_pass),
    ]
}

async fn an_archived_agent_does_not_count_and_is_read_only(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    let archive = || client.request("POST", &format!("{path}/archive"));
    let archived = archive().header("if-match", "\"1\"").send().await.expect(200);
    let agent = archived.json();
    assert_eq!((&agent["status"], &agent["archived_by"]), (&json!("archived"), &json!(USER)));
    assert_eq!((agent["archived_at"].is_string(), archived.header("etag")), (true, Some("\"2\"")));
    assert_eq!(client.used().await, 0);
    assert_eq!(archive().send().await.expect(200).json(), agent, "archiving twice is archiving once");
    client.merge(&path, &json!({"name": "Other"})).send().await.problem(409, "conflict");
    client
        .post(&format!("{path}/archive"), &json!({"robot": 1}))
        .send()
        .await
        .problem(422, "validation_failed");
    let restored = client.post(&format!("{path}/restore"), &json!({})).send().await.expect(200).json();
    assert_eq!((&restored["status"], &restored["archived_at"]), (&json!("active"), &json!(null)));
    assert_eq!((&restored["rev"], client.used().await), (&json!(3), 1));
}

async fn a_copy_is_an_agent_of_its_own(context: &Context) {
    let client = context.client().await;
    let agent = client.create(&an_agent().keyed("k").with("tags", json!(["eu"])).build()).await;
    let path = format!("{}/duplicate", path_of(&agent));
    let created = client.request("POST", &path).send().await.expect(201);
    let copy = created.json();
    assert_ne!(copy["id"], agent["id"]);
    assert_eq!((&copy["config"], &copy["tags"]), (&agent["config"], &agent["tags"]));
    assert_eq!((&copy["key"], &copy["rev"]), (&json!(null), &json!(1)));
    let location = created.header("location").expect("a location");
    assert_eq!(client.get(&context.follow(&created, location)).send().await.expect(200).json(), copy);
    let named = client.post(&path, &json!({"key": "k2", "name": "Second"})).send().await.expect(201).json();
    assert_eq!((&named["key"], &named["name"]), (&json!("k2"), &json!("Second")));
    client.post(&path, &json!({"key": "k"})).send().await.problem(409, "key_taken");
    client.post(&path, &json!({"tags": []})).send().await.problem(422, "validation_failed");
    let once = || client.post(&path, &json!({})).header("idempotency-key", "one").send();
    let first = once().await.expect(201);
    let replay = once().await.expect(201);
    assert_eq!((replay.json(), replay.header("idempotent-replayed")), (first.json(), Some("true")));
    assert_eq!(client.used().await, 4);
}

async fn transferring_gives_an_agent_another_owner(context: &Context) {
    let client = context.client().await;
    let path = format!("{}/transfer", client.create_at(&an_agent().build()).await);
    let transfer = async |body| client.post(&path, &body).send().await;
    let moved = transfer(json!({"owner": "bob"})).await.expect(200).json();
    assert_eq!((&moved["owner"], &moved["created_by"]), (&json!("bob"), &json!(USER)));
    assert_eq!(moved["rev"], 2);
    assert_eq!(transfer(json!({"owner": "bob"})).await.expect(200).json(), moved);
    for bad in [json!({}), json!({"owner": ""}), json!({"owner": "a b"}), json!({"owner": 1}), json!(["bob"])]
    {
        transfer(bad).await.problem(422, "validation_failed");
    }
}

async fn a_deleted_agent_is_gone_from_everywhere(context: &Context) {
    let client = context.client().await;
    let agent = client.create(&an_agent().keyed("k").build()).await;
    let path = path_of(&agent);
    let delete = client.request("DELETE", &format!("{path}?force=true"));
    let deleted = delete.header("if-match", "\"1\"").send().await.expect(204);
    assert_eq!(deleted.body.len(), 0);
    client.get(&path).send().await.problem(404, "not_found");
    client.get("/v1/agents/by-key/k").send().await.problem(404, "not_found");
    client.delete(&path).send().await.problem(404, "not_found");
    client.merge(&path, &json!({"name": "Other"})).send().await.problem(404, "not_found");
    assert_eq!(client.used().await, 0);
    eventually("a list without it", async || {
        client.get("/v1/agents").send().await.expect(200).items().is_empty().then_some(())
    })
    .await;
}

async fn a_key_s_next_agent_goes_on_where_the_deleted_one_ended(context: &Context) {
    let client = context.client().await;
    let keyed = an_agent().keyed("k").build();
    let first = client.create(&keyed).await;
    client.delete(&path_of(&first)).send().await.expect(204);
    let revived = client.create(&keyed).await;
    assert_eq!((id_of(&revived), &revived["rev"]), (id_of(&first), &json!(3)));
    assert_eq!(client.used().await, 1);
}

async fn a_verdict_lists_what_keeps_a_document_from_being_created(context: &Context) {
    let client = context.client().await;
    let validate =
        async |document| client.post("/v1/agents/validate", &document).send().await.expect(200).json();
    assert_eq!(validate(an_agent().build()).await, json!({"valid": true, "violations": []}));
    let pointers = |verdict: &Value| -> Vec<_> {
        let violations = verdict["violations"].as_array().expect("a list");
        violations.iter().map(|violation| violation["pointer"].clone()).collect()
    };
    let shape = validate(json!({"name": 1, "rev": 2})).await;
    assert_eq!((&shape["valid"], pointers(&shape)), (&json!(false), vec![json!("/name"), json!("/rev")]));
    let tier = validate(an_agent().on_model("anthropic", "claude-opus-4-5").with_tools(6).build()).await;
    assert_eq!(pointers(&tier), ["/config/model", "/config/tools"]);
    let malformed = client.post("/v1/agents/validate", &json!(null)).body("{").send().await;
    malformed.problem(400, "malformed_body");
    assert_eq!(client.used().await, 0);
}

async fn a_draft_is_held_against_the_tier(context: &Context) {
    let client = context.client().await;
    let path = format!("{}/validate", client.create_at(&an_agent().build()).await);
    let verdict = client.request("POST", &path).send().await.expect(200).json();
    assert_eq!(verdict, json!({"valid": true, "violations": []}));
}

async fn a_fix_makes_a_refused_request_pass(context: &Context) {
    let client = context.client().await;
    let too_much = an_agent().on_model("anthropic", "claude-opus-4-5").with_tools(7);
    let mut document = too_much.configured("instructions", json!("é".repeat(4_097))).build();
    let refused = client.post("/v1/agents", &document).send().await;
    let problem = refused.problem(403, "entitlement_exceeded");
    let violations = problem["errors"].as_array().expect("a list");
    assert_eq!(violations.len(), 3, "{refused}");
    for violation in violations {
        assert!(violation["min_tier"].is_string(), "{violation}");
        let fix: Patch = serde_json::from_value(violation["fix"].clone()).expect("a JSON Patch");
        json_patch::patch(&mut document, &fix).expect("a fix applies to what was sent");
    }
    client.create(&document).await;
}
