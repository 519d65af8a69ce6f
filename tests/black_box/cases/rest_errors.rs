//! What is wrong with a request, and how it is told. That every refusal is a problem document with the
//! request's id and a type that leads to a page is checked of each one, wherever it comes up.

use harness::an_agent;
use serde_json::json;

use super::{Case, case};
use crate::client::{OPERATIONS, path_of};
use crate::context::{Context, Refusal};
use crate::target::Kind;

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_body_that_is_no_json_document_is_400),
        case!(a_body_that_is_no_utf8_is_400).not_on(Kind::StandIn, "it mends bodies that are no UTF-8"),
        case!(a_document_of_a_wrong_shape_is_422_and_pointed_at),
        case!(every_action_refuses_what_it_does_not_know),
        case!(another_content_type_is_415),
        case!(a_body_over_384_kib_is_413),
        case!(an_unknown_route_is_refused),
        case!(another_method_is_refused),
        case!(an_id_that_is_none_is_not_found),
    ]
}

/// Each with what makes it bad, and as bytes.
fn no_documents() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nothing", Vec::new()),
        ("an open brace", b"{".to_vec()),
        ("two documents", b"{} {}".to_vec()),
        ("a member twice", b"{\"name\":\"a\",\"name\":\"b\"}".to_vec()),
        ("a member twice, far down", b"{\"config\":{\"model\":{\"id\":\"a\",\"id\":\"b\"}}}".to_vec()),
        ("a number out of range", b"{\"name\":1e999}".to_vec()),
        ("200 lists", format!("{}{}", "[".repeat(200), "]".repeat(200)).into_bytes()),
    ]
}

async fn a_body_that_is_no_json_document_is_400(context: &Context) {
    let client = context.client().await;
    let agent = client.create(&an_agent().build()).await;
    for (what, body) in no_documents() {
        let creation = client.post("/v1/agents", &json!(null)).body(body.clone()).send().await;
        assert_eq!(creation.status, 400, "{what}: {creation}");
        creation.problem(400, "malformed_body");
        let patch = client.patch(&path_of(&agent), OPERATIONS, &json!(null)).header("if-match", "*");
        let patch = patch.body(body).send().await;
        assert_eq!(patch.status, 400, "{what}: {patch}");
        patch.problem(400, "malformed_body");
    }
    assert_eq!(client.get(&path_of(&agent)).send().await.expect(200).json(), agent);
    assert_eq!(client.used().await, 1);
}

async fn a_body_that_is_no_utf8_is_400(context: &Context) {
    let client = context.client().await;
    let body = b"{\"name\":\"a\xff\xfe\"}".to_vec();
    let creation = client.post("/v1/agents", &json!(null)).body(body).send().await;
    creation.problem(400, "malformed_body");
    assert_eq!(client.used().await, 0);
}

async fn a_document_of_a_wrong_shape_is_422_and_pointed_at(context: &Context) {
    let client = context.client().await;
    let long = "x".repeat(201);
    for (document, pointer) in [
        (an_agent().with("robot", json!(1)), "/robot"),
        (an_agent().with("rev", json!(1)), "/rev"),
        (an_agent().configured("robot", json!(1)), "/config/robot"),
        (an_agent().with("name", json!(7)), "/name"),
        (an_agent().with("name", json!(long)), "/name"),
        (an_agent().with("name", json!("a\u{0}")), "/name"),
        (an_agent().with("key", json!("no spaces")), "/key"),
        (an_agent().with("tags", json!(["a", "a"])), "/tags"),
        (an_agent().configured("model", json!({"provider": "anthropic"})), "/config/model"),
    ] {
        let refused = client.post("/v1/agents", &document.build()).send().await;
        let problem = refused.problem(422, "validation_failed");
        let told = problem["errors"][0]["pointer"].as_str().expect("a pointer");
        assert!(told.starts_with(pointer), "{told} is not in {pointer}");
    }
    client.post("/v1/agents", &json!([])).send().await.problem(422, "validation_failed");
    assert_eq!(client.used().await, 0);
}

async fn every_action_refuses_what_it_does_not_know(context: &Context) {
    let client = context.client().await;
    let agent = client.create(&an_agent().build()).await;
    let path = path_of(&agent);
    let with_robot = json!({"robot": 1, "owner": "bob"});
    let of_versions = ["publish", "rollback", "versions/1/restore"];
    let actions = ["archive", "restore", "duplicate", "transfer", "validate"];
    for action in actions.into_iter().chain(of_versions) {
        let refused = client.post(&format!("{path}/{action}"), &with_robot).send().await;
        assert_eq!(refused.status, 422, "{action}: {refused}");
        refused.problem(422, "validation_failed");
    }
    let tool = client.put(&format!("{path}/tools/search"), &with_robot).header("if-match", "*");
    tool.send().await.problem(422, "validation_failed");
    client.post("/v1/ws-tickets", &with_robot).send().await.problem(422, "validation_failed");
    assert_eq!(client.get(&path).send().await.expect(200).json(), agent);
}

async fn another_content_type_is_415(context: &Context) {
    let client = context.client().await;
    let text = an_agent().build().to_string();
    let creation = client.request("POST", "/v1/agents").header("content-type", "text/plain").body(text);
    let refused = creation.send().await;
    refused.problem(415, "unsupported_media_type");
    assert_eq!(refused.header("accept"), Some("application/json"));
    let path = client.create_at(&an_agent().build()).await;
    let patch = client.patch(&path, "application/json", &json!({"name": "Other"})).header("if-match", "*");
    let refused = patch.send().await;
    refused.problem(415, "unsupported_media_type");
    let accepted = refused.header("accept-patch").unwrap_or_default();
    assert!(accepted.contains("merge-patch") && accepted.contains("json-patch"), "{refused}");
}

async fn a_body_over_384_kib_is_413(context: &Context) {
    let client = context.client().await;
    let spaces = |count: usize| format!("{}{}", " ".repeat(count), an_agent().build());
    let length = an_agent().build().to_string().len();
    let fits = client.post("/v1/agents", &json!(null)).body(spaces(384 * 1024 - length));
    fits.send().await.expect(201);
    let too_large = client.post("/v1/agents", &json!(null)).body(spaces(384 * 1024 - length + 1));
    too_large.send().await.problem(413, "payload_too_large");
}

async fn an_unknown_route_is_refused(context: &Context) {
    let client = context.client().await;
    for path in ["/v1/robots", "/v2/agents", "/v1/agents/a/b/c/d", "/v1", "/health"] {
        let refused = client.get(path).send().await;
        context.assert_gateway_problem(&refused, Refusal::UnknownRoute);
    }
}

async fn another_method_is_refused(context: &Context) {
    let client = context.client().await;
    for (method, path) in [
        ("DELETE", "/v1/agents"),
        ("PUT", "/v1/agents/agt_00000000000000000000000000"),
        ("POST", "/v1/tiers"),
        ("DELETE", "/v1/events"),
        ("GET", "/v1/ws-tickets"),
        ("POST", "/openapi.json"),
    ] {
        let refused = client.request(method, path).send().await;
        context.assert_gateway_problem(&refused, Refusal::OtherMethod);
    }
}

async fn an_id_that_is_none_is_not_found(context: &Context) {
    let client = context.client().await;
    for id in ["agt_00000000000000000000000000", "agt_", "x", "tpl_00000000000000000000000000"] {
        client.get(&format!("/v1/agents/{id}")).send().await.problem(404, "not_found");
    }
    for key in ["none", "-a", "%20"] {
        client.get(&format!("/v1/agents/by-key/{key}")).send().await.problem(404, "not_found");
    }
}
