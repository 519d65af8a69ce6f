//! `infra/gateway/rest.json`: the REST API as API Gateway imports it. It is made from the route table,
//! and kept in the repository because the template includes it. With `UPDATE_GATEWAY` set the test writes
//! it anew.

use std::collections::BTreeMap;

use agent_management::http::problem::{ProblemCode, TYPE_BASE};
use agent_management::http::routes::{Access, Function, Route, all};
use serde_json::{Map, Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/gateway/rest.json");

/// How long the authorizer's answer about a token is kept, in seconds.
const AUTHORIZED_FOR_S: u32 = 60;
/// API Gateway's longest wait for a function, in milliseconds.
const INTEGRATION_TIMEOUT_MS: u32 = 29_000;

#[test]
fn the_rest_api_is_made_from_the_route_table() {
    let made = format!("{:#}\n", body());
    if std::env::var_os("UPDATE_GATEWAY").is_some() {
        std::fs::write(FILE, made).expect("the file can be written");
        return;
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        kept == made,
        "infra/gateway/rest.json is not what the route table says; run \
         `UPDATE_GATEWAY=1 cargo test -p tests made_from_the_route_table`, then `.ci/template --write`"
    );
}

fn body() -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in all() {
        let methods = paths.entry(route.path).or_default();
        methods.insert(route.method.as_str().to_lowercase(), method(route));
        methods.insert("options".to_owned(), preflight(route));
    }
    json!({
        "openapi": "3.0.1",
        "info": {"title": "Agent Management Service", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"securitySchemes": {"caller": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {
                "type": "request",
                "authorizerUri": invocations("Authorizer"),
                "authorizerResultTtlInSeconds": AUTHORIZED_FOR_S,
                "identitySource": "method.request.header.Authorization",
            },
        }}},
        // Bodies come to the functions as the bytes that they are: without this, what is no UTF-8 would
        // come mended.
        "x-amazon-apigateway-binary-media-types": ["*/*"],
        "x-amazon-apigateway-gateway-responses": gateway_responses(),
    })
}

fn method(route: &Route) -> Value {
    let mut method = preflight(route);
    if let Access::Scope(_) = route.access {
        method["security"] = json!([{"caller": []}]);
    }
    method
}

/// The same function answers preflights: which origins it admits is its configuration.
fn preflight(route: &Route) -> Value {
    json!({
        "parameters": path_parameters(route.path),
        "responses": {},
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": invocations(logical_id(route.operation.function())),
            "passthroughBehavior": "when_no_match",
            "timeoutInMillis": INTEGRATION_TIMEOUT_MS,
        },
    })
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect()
}

/// A function's name in the template.
pub(super) fn logical_id(function: Function) -> &'static str {
    match function {
        Function::Agents => "Agents",
        Function::Templates => "Templates",
        Function::Jobs => "Jobs",
        Function::Webhooks => "Webhooks",
    }
}

/// Where API Gateway invokes a function.
fn invocations(logical_id: &str) -> Value {
    json!({"Fn::Sub": format!(
        "arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{{logical_id}.Arn}}/invocations"
    )})
}

/// What API Gateway answers by itself, as problems of the catalogue.
fn gateway_responses() -> Value {
    use ProblemCode as P;

    let own = [
        ("ACCESS_DENIED", P::InsufficientScope),
        ("API_CONFIGURATION_ERROR", P::Internal),
        ("AUTHORIZER_CONFIGURATION_ERROR", P::Internal),
        ("AUTHORIZER_FAILURE", P::Unavailable),
        ("BAD_REQUEST_BODY", P::MalformedBody),
        ("BAD_REQUEST_PARAMETERS", P::InvalidParameter),
        ("DEFAULT_4XX", P::InvalidParameter),
        ("DEFAULT_5XX", P::Internal),
        ("EXPIRED_TOKEN", P::Unauthorized),
        ("INTEGRATION_FAILURE", P::Unavailable),
        ("INTEGRATION_TIMEOUT", P::Unavailable),
        ("INVALID_API_KEY", P::Unauthorized),
        // Where there is no route, API Gateway takes a bearer token for a bad signature of its own kind.
        ("INVALID_SIGNATURE", P::RouteNotFound),
        ("MISSING_AUTHENTICATION_TOKEN", P::RouteNotFound),
        ("QUOTA_EXCEEDED", P::RateLimited),
        ("REQUEST_TOO_LARGE", P::PayloadTooLarge),
        ("RESOURCE_NOT_FOUND", P::RouteNotFound),
        ("THROTTLED", P::RateLimited),
        ("UNAUTHORIZED", P::Unauthorized),
        ("UNSUPPORTED_MEDIA_TYPE", P::UnsupportedMediaType),
    ];
    own.into_iter()
        .map(|(kind, code)| (kind.to_owned(), gateway_response(code)))
        .collect::<Map<_, _>>()
        .into()
}

fn gateway_response(code: ProblemCode) -> Value {
    let document = json!({
        "type": format!("${{BasePath}}{TYPE_BASE}{}", code.as_str()),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": code.advice(),
        "code": code.as_str(),
        "request_id": "$context.requestId",
    });
    // An answer without anything of the tenant's: any page may read that it was refused.
    let mut headers = json!({
        "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
        "gatewayresponse.header.Access-Control-Expose-Headers": "'Retry-After'",
        "gatewayresponse.header.Cache-Control": "'private, no-cache'",
        "gatewayresponse.header.Content-Type": "'application/problem+json'",
        "gatewayresponse.header.X-Content-Type-Options": "'nosniff'",
    });
    match code {
        ProblemCode::Unauthorized => headers["gatewayresponse.header.WWW-Authenticate"] = "'Bearer'".into(),
        ProblemCode::Unavailable | ProblemCode::RateLimited => {
            headers["gatewayresponse.header.Retry-After"] = "'1'".into();
        }
        _ => {}
    }
    json!({
        "statusCode": code.status().as_u16(),
        "responseParameters": headers,
        "responseTemplates": {"application/json": {"Fn::Sub": document.to_string()}},
    })
}
