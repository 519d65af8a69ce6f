//! What the service says of itself: tiers, models, entitlements, usage, health, the OpenAPI document,
//! the pages of problems; and what scripts of other origins may read, which is nothing.

use serde_json::json;

use super::{Case, case};
use crate::client::Client;
use crate::context::Context;
use crate::http::Answer;
use crate::openapi;
use crate::target::Kind;

const ORIGIN: &str = "https://evil.example.com";

pub fn cases() -> Vec<Case> {
    vec![
        case!(tiers_are_listed_lowest_first),
        case!(models_say_whether_the_tier_admits_them),
        case!(a_tenant_that_nobody_set_up_is_on_the_free_tier),
        case!(health_needs_no_token),
        case!(the_openapi_document_describes_this_server),
        case!(every_problem_that_is_documented_has_a_page),
        case!(scripts_of_another_origin_read_nothing),
        case!(scripts_of_an_admitted_origin_read_everything),
    ]
}

async fn tiers_are_listed_lowest_first(context: &Context) {
    let tiers = context.client().await.get("/v1/tiers").send().await.expect(200).items();
    let names: Vec<_> = tiers.iter().map(|tier| tier["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["free", "pro", "enterprise"]);
    assert_eq!((&tiers[0]["limits"]["agents"], &tiers[0]["limits"]["sockets"]), (&json!(5), &json!(2)));
}

async fn models_say_whether_the_tier_admits_them(context: &Context) {
    let models = context.client().await.get("/v1/models").send().await.expect(200).items();
    let admitted = |id: &str| {
        let model = models.iter().find(|model| model["id"] == id).expect("a model of the catalogue");
        model["admitted"].as_bool().expect("yes or no")
    };
    assert!(admitted("claude-haiku-4-5") && !admitted("claude-opus-4-5"));
}

async fn a_tenant_that_nobody_set_up_is_on_the_free_tier(context: &Context) {
    let client = context.client().await;
    let entitlements = client.get("/v1/entitlements").send().await.expect(200).json();
    assert_eq!((&entitlements["tier"], &entitlements["overrides"]), (&json!("free"), &json!({})));
    assert_eq!(entitlements["limits"]["agents"], 5);
    let usage = client.get("/v1/usage").send().await.expect(200).json();
    let unused = |limit: u64| json!({"used": 0, "limit": limit, "percent": 0, "level": "ok"});
    assert_eq!(usage, json!({"tier": "free", "agents": unused(5), "private_templates": unused(0)}));
}

async fn health_needs_no_token(context: &Context) {
    for path in ["/health/live", "/health/ready"] {
        let answer = context.anyone().get(path).send().await.expect(200);
        assert_eq!(answer.json(), json!({"status": "ok"}), "{path}");
    }
}

async fn the_openapi_document_describes_this_server(context: &Context) {
    let answer = context.anyone().get("/openapi.json").send().await.expect(200);
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(openapi::operations(&document).len() > 20, "{} paths", document["paths"]);
    let server = document.pointer("/servers/0/url").and_then(|url| url.as_str()).expect("a server");
    let server = context.follow(&answer, server);
    assert!(
        !server.ends_with('/') || server.matches('/').count() == 3,
        "{server} and a path have two slashes"
    );
    context.anyone().get(&format!("{}/health/live", server.trim_end_matches('/'))).send().await.expect(200);
}

async fn every_problem_that_is_documented_has_a_page(context: &Context) {
    let anyone = context.anyone();
    let html = |answer: Answer| {
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{answer}");
        String::from_utf8(answer.body.to_vec()).expect("UTF-8")
    };
    let catalogue = html(anyone.get("/problems").send().await.expect(200));
    let codes: Vec<_> =
        catalogue.split("<section id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(codes.len() > 20 && codes.contains(&"not_found"), "{codes:?}");
    for code in codes {
        let page = html(anyone.get(&format!("/problems/{code}")).send().await.expect(200));
        assert!(page.contains(code), "{page}");
    }
    anyone.get("/problems/robots").send().await.problem(404, "not_found");
}

/// Where no origin is known to be admitted, this is one that is not.
async fn scripts_of_an_admitted_origin_read_everything(context: &Context) {
    let admitted = context.origin();
    let origin = admitted.unwrap_or(ORIGIN);
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").map(str::to_owned);
    let preflight = context.anyone().request("OPTIONS", "/v1/agents").header("origin", origin);
    let preflight = preflight.header("access-control-request-method", "POST").send().await;
    assert_eq!(allowed(&preflight).as_deref(), admitted, "{preflight}");
    if admitted.is_some() {
        let methods = preflight.expect(204).header("access-control-allow-methods").map(str::to_owned);
        assert!(methods.is_some_and(|methods| methods.contains("POST")));
    }
    let list = context.client().await.get("/v1/agents").header("origin", origin).send().await.expect(200);
    assert_eq!(allowed(&list).as_deref(), admitted, "{list}");
}

async fn scripts_of_another_origin_read_nothing(context: &Context) {
    let refuse = |answer: &Answer| {
        let told = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
        assert!(told.is_none() && answer.status < 500, "{answer}");
    };
    let from_there =
        async |client: &Client, path: &str| client.get(path).header("origin", ORIGIN).send().await;
    refuse(&from_there(&context.client().await, "/v1/agents").await.expect(200));
    refuse(&from_there(&context.anyone(), "/health/live").await.expect(200));
    // API Gateway's own refusals hold nothing of a tenant's, and any page may read them.
    if context.kind() == Kind::Local {
        refuse(&from_there(&context.anyone(), "/v1/agents").await);
    }
    for path in ["/v1/agents", "/v1/agents/by-key/k", "/v1/events", "/v1/ws-tickets", "/openapi.json"] {
        let preflight = context.anyone().request("OPTIONS", path).header("origin", ORIGIN);
        refuse(&preflight.header("access-control-request-method", "GET").send().await);
    }
}
