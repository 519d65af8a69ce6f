//! The two APIs as they are deployed: the same routes as the route table and the OpenAPI document have,
//! each to its function, and every answer that API Gateway gives by itself a problem of the catalogue.

use std::collections::BTreeSet;

use agent_management::http::openapi;
use agent_management::http::problem::ProblemCode;
use agent_management::http::routes::{Access, all};
use harness::template::{logical_id, resource, resources_of};
use serde_json::{Value, json};

/// What API Gateway's documentation lists as answers of its own, and what they are here. WAF_FILTERED needs
/// a firewall.
const GATEWAY_ANSWERS: [(&str, u16, &str, Option<&str>); 20] = [
    ("ACCESS_DENIED", 403, "insufficient_scope", None),
    ("API_CONFIGURATION_ERROR", 500, "internal", None),
    ("AUTHORIZER_CONFIGURATION_ERROR", 500, "internal", None),
    ("AUTHORIZER_FAILURE", 503, "unavailable", Some("Retry-After")),
    ("BAD_REQUEST_BODY", 400, "malformed_body", None),
    ("BAD_REQUEST_PARAMETERS", 400, "invalid_parameter", None),
    ("DEFAULT_4XX", 400, "invalid_parameter", None),
    ("DEFAULT_5XX", 500, "internal", None),
    ("EXPIRED_TOKEN", 401, "unauthorized", Some("WWW-Authenticate")),
    ("INTEGRATION_FAILURE", 503, "unavailable", Some("Retry-After")),
    ("INTEGRATION_TIMEOUT", 503, "unavailable", Some("Retry-After")),
    ("INVALID_API_KEY", 401, "unauthorized", Some("WWW-Authenticate")),
    ("INVALID_SIGNATURE", 404, "route_not_found", None),
    ("MISSING_AUTHENTICATION_TOKEN", 404, "route_not_found", None),
    ("QUOTA_EXCEEDED", 429, "rate_limited", Some("Retry-After")),
    ("REQUEST_TOO_LARGE", 413, "payload_too_large", None),
    ("RESOURCE_NOT_FOUND", 404, "route_not_found", None),
    ("THROTTLED", 429, "rate_limited", Some("Retry-After")),
    ("UNAUTHORIZED", 401, "unauthorized", Some("WWW-Authenticate")),
    ("UNSUPPORTED_MEDIA_TYPE", 415, "unsupported_media_type", None),
];

fn body() -> &'static Value {
    &resource("RestApi")["Properties"]["Body"]
}

/// Every method and path of an OpenAPI document.
fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let each = paths.flat_map(|(path, item)| {
        let methods = item.as_object().expect("a path's methods").keys();
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    each.collect()
}

#[test]
fn the_deployed_routes_are_the_route_table_s_and_the_document_s() {
    let table: BTreeSet<_> =
        all().map(|route| (route.method.as_str().to_owned(), route.path.to_owned())).collect();
    let mut deployed = operations(body());
    let preflights: BTreeSet<_> =
        table.iter().map(|(_, path)| ("OPTIONS".to_owned(), path.clone())).collect();
    assert!(preflights.is_subset(&deployed), "every path answers preflights");
    deployed.retain(|(method, _)| method != "OPTIONS");
    assert_eq!(deployed, table);
    assert_eq!(operations(&openapi::document()), table);
}

#[test]
fn each_route_leads_to_its_function_and_asks_who_calls_if_it_needs_a_scope() {
    for route in all() {
        let method = &body()["paths"][route.path][route.method.as_str().to_lowercase()];
        let uri = method["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"].as_str().expect("a uri");
        let function =
            format!("functions/${{{}.Arn}}/invocations", logical_id(route.operation.function().name()));
        assert!(uri.ends_with(&function), "{} {}: {uri}", route.method.as_str(), route.path);
        let asks = method.get("security") == Some(&json!([{"caller": []}]));
        assert_eq!(
            asks,
            matches!(route.access, Access::Scope(_)),
            "{} {}",
            route.method.as_str(),
            route.path
        );
        let preflight = &body()["paths"][route.path]["options"];
        assert_eq!(preflight["x-amazon-apigateway-integration"], method["x-amazon-apigateway-integration"]);
        assert!(preflight.get("security").is_none(), "a preflight has no token");
    }
}

#[test]
fn the_authorizer_s_answer_is_kept_for_a_minute_under_the_token() {
    let scheme = &body()["components"]["securitySchemes"]["caller"];
    let authorizer = &scheme["x-amazon-apigateway-authorizer"];
    assert_eq!(authorizer["authorizerResultTtlInSeconds"], 60);
    assert_eq!(authorizer["identitySource"], "method.request.header.Authorization");
    assert_eq!(authorizer["type"], "request");
    // A ticket is in the query and a token in the header: neither is required of every handshake.
    let [(_, sockets)] = resources_of("AWS::ApiGatewayV2::Authorizer")[..] else { panic!("one authorizer") };
    assert_eq!(sockets["Properties"]["IdentitySource"], json!([]));
    assert_eq!(sockets["Properties"]["AuthorizerType"], "REQUEST");
}

#[test]
fn the_routes_are_there_once() {
    let [(_, deployment)] = resources_of("AWS::ApiGateway::Deployment")[..] else { panic!("one deployment") };
    assert!(deployment["Properties"]["StageName"].is_null(), "a stage that nobody asked for");
    let [(_, stage)] = resources_of("AWS::ApiGateway::Stage")[..] else { panic!("one stage") };
    assert_eq!(stage["Properties"]["StageName"], "live");
    assert_eq!(stage["Properties"]["TracingEnabled"], true);
}

#[test]
fn bodies_reach_the_functions_as_the_bytes_that_they_are() {
    assert_eq!(body()["x-amazon-apigateway-binary-media-types"], json!(["*/*"]));
}

#[test]
fn what_api_gateway_answers_by_itself_is_a_problem_of_the_catalogue() {
    let answers = body()["x-amazon-apigateway-gateway-responses"].as_object().expect("answers");
    assert_eq!(answers.len(), GATEWAY_ANSWERS.len());
    for (kind, status, code, own_header) in GATEWAY_ANSWERS {
        let answer = &answers[kind];
        let headers = answer["responseParameters"].as_object().expect("headers");
        let header = |name: &str| headers.get(&format!("gatewayresponse.header.{name}"));
        assert_eq!(header("Content-Type"), Some(&json!("'application/problem+json'")), "{kind}");
        // What a page may read of a refusal: who it was refused for is no secret from its own page.
        assert_eq!(header("Access-Control-Allow-Origin"), Some(&json!("'*'")), "{kind}");
        let own: Vec<&str> =
            ["Retry-After", "WWW-Authenticate"].into_iter().filter(|name| header(name).is_some()).collect();
        assert_eq!(own, own_header.into_iter().collect::<Vec<_>>(), "{kind}");
        let document =
            answer["responseTemplates"]["application/json"]["Fn::Sub"].as_str().expect("a document");
        let document: Value = serde_json::from_str(document).expect("JSON");
        assert_eq!((&answer["statusCode"], &document["status"]), (&json!(status), &json!(status)), "{kind}");
        assert_eq!(document["code"], code, "{kind}");
        assert!(
            ProblemCode::ALL.into_iter().any(|known| known.as_str() == code),
            "{code} is in no catalogue"
        );
        assert_eq!(document["type"], format!("${{BasePath}}/problems/{code}"), "{kind}");
        assert_eq!(document["request_id"], "$context.requestId", "{kind}");
    }
}

#[test]
fn sockets_have_three_routes_and_only_the_handshake_asks_who_calls() {
    let mut routes: Vec<_> = resources_of("AWS::ApiGatewayV2::Route")
        .into_iter()
        .map(|(_, route)| {
            let properties = &route["Properties"];
            let target = properties["Target"]["Fn::Sub"].as_str().unwrap_or_default();
            assert_eq!(target, "integrations/${WebSocketIntegration}");
            (properties["RouteKey"].as_str().expect("a key"), properties["AuthorizationType"] == "CUSTOM")
        })
        .collect();
    routes.sort_unstable();
    assert_eq!(routes, [("$connect", true), ("$default", false), ("$disconnect", false)]);
    assert_eq!(resource("WebSocketStage")["Properties"]["AutoDeploy"], true);
}
