//! The JSON of API Gateway's events, field by field as its documentation shows them (payload format
//! 1.0 for REST APIs). Bodies that are not UTF-8 travel in base64, as under `binaryMediaTypes`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use agent_management::http::routes::Route;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::authorization::CallerContext;

const STAGE: &str = "local";
const API_ID: &str = "local";
const ACCOUNT_ID: &str = "000000000000";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProxyEvent<'a> {
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    multi_value_headers: BTreeMap<&'a str, Vec<Cow<'a, str>>>,
    query_string_parameters: Option<BTreeMap<&'a str, &'a str>>,
    multi_value_query_string_parameters: Option<BTreeMap<&'a str, Vec<&'a str>>>,
    path_parameters: Option<BTreeMap<&'a str, String>>,
    stage_variables: Option<()>,
    request_context: RequestContext<'a>,
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<CallerContext>,
    http_method: &'a str,
    identity: Identity,
    path: &'a str,
    protocol: &'a str,
    request_id: &'a str,
    request_time_epoch: i64,
    resource_path: &'a str,
    stage: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    source_ip: &'static str,
}

const IDENTITY: Identity = Identity { source_ip: "127.0.0.1" };

/// A proxy integration's event.
pub fn proxy(
    request: &Request<Bytes>,
    route: &Route,
    params: &[(String, String)],
    authorizer: Option<CallerContext>,
    request_id: &str,
    now: Timestamp,
) -> Vec<u8> {
    let query = query(request);
    let (body, is_base64_encoded) = body(request.body());
    let path = request.uri().path();
    let method = request.method().as_str();
    let event = ProxyEvent {
        resource: route.path,
        path,
        http_method: method,
        headers: single(request.headers()),
        multi_value_headers: multiple(request.headers()),
        query_string_parameters: last_of_each(&query),
        multi_value_query_string_parameters: all_of_each(&query),
        path_parameters: (!params.is_empty())
            .then(|| params.iter().map(|(name, value)| (name.as_str(), decoded(value))).collect()),
        stage_variables: None,
        request_context: RequestContext {
            account_id: ACCOUNT_ID,
            api_id: API_ID,
            authorizer,
            http_method: method,
            identity: IDENTITY,
            path,
            protocol: "HTTP/1.1",
            request_id,
            request_time_epoch: now.as_millisecond(),
            resource_path: route.path,
            stage: STAGE,
        },
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&event).expect("an event is always JSON")
}

/// A REQUEST authorizer's event.
pub fn authorizer(request: &Request<Bytes>, request_id: &str) -> Vec<u8> {
    let path = request.uri().path();
    let method = request.method().as_str();
    let query = query(request);
    let event = serde_json::json!({
        "type": "REQUEST",
        "methodArn": format!("arn:aws:execute-api:us-east-1:{ACCOUNT_ID}:{API_ID}/{STAGE}/{method}{path}"),
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": single(request.headers()),
        "multiValueHeaders": multiple(request.headers()),
        "queryStringParameters": last_of_each(&query).unwrap_or_default(),
        "multiValueQueryStringParameters": all_of_each(&query).unwrap_or_default(),
        "pathParameters": {},
        "stageVariables": {},
        "requestContext": {
            "path": path,
            "accountId": ACCOUNT_ID,
            "stage": STAGE,
            "requestId": request_id,
            "identity": {"sourceIp": IDENTITY.source_ip},
            "resourcePath": path,
            "httpMethod": method,
            "apiId": API_ID,
        },
    });
    event.to_string().into_bytes()
}

/// A REQUEST authorizer's event for a handshake.
pub fn socket_authorizer(handshake: &Request<()>, connection_id: &str, now: Timestamp) -> Vec<u8> {
    let query = query(handshake);
    let event = serde_json::json!({
        "type": "REQUEST",
        "methodArn": format!("arn:aws:execute-api:us-east-1:{ACCOUNT_ID}:{API_ID}/{STAGE}/$connect"),
        "headers": single(handshake.headers()),
        "multiValueHeaders": multiple(handshake.headers()),
        "queryStringParameters": last_of_each(&query).unwrap_or_default(),
        "multiValueQueryStringParameters": all_of_each(&query).unwrap_or_default(),
        "stageVariables": {},
        "requestContext": socket_context(SocketRoute::Connect, connection_id, None, now),
    });
    event.to_string().into_bytes()
}

/// A route of a WebSocket API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketRoute {
    Connect,
    Disconnect,
    Default,
}

/// The event of a WebSocket API's route.
pub fn socket(
    route: SocketRoute,
    connection_id: &str,
    authorizer: &CallerContext,
    body: Option<&str>,
    now: Timestamp,
) -> Vec<u8> {
    let event = serde_json::json!({
        "requestContext": socket_context(route, connection_id, Some(authorizer), now),
        "body": body,
        "isBase64Encoded": false,
    });
    event.to_string().into_bytes()
}

fn socket_context(
    route: SocketRoute,
    connection_id: &str,
    authorizer: Option<&CallerContext>,
    now: Timestamp,
) -> serde_json::Value {
    let (route_key, event_type) = match route {
        SocketRoute::Connect => ("$connect", "CONNECT"),
        SocketRoute::Disconnect => ("$disconnect", "DISCONNECT"),
        SocketRoute::Default => ("$default", "MESSAGE"),
    };
    let now_ms = now.as_millisecond();
    let mut context = serde_json::json!({
        "routeKey": route_key,
        "eventType": event_type,
        "messageDirection": "IN",
        "stage": STAGE,
        "apiId": API_ID,
        "domainName": "localhost",
        "connectionId": connection_id,
        "connectedAt": now_ms,
        "requestTimeEpoch": now_ms,
        "requestId": format!("{connection_id}-{now_ms}"),
        "extendedRequestId": format!("{connection_id}-{now_ms}"),
        "identity": {"sourceIp": IDENTITY.source_ip},
        "messageId": if route == SocketRoute::Default { Some(format!("{connection_id}-{now_ms}")) } else { None },
    });
    if let Some(authorizer) = authorizer {
        context["authorizer"] = authorizer.as_ref().clone();
    }
    context
}

fn single(headers: &HeaderMap) -> BTreeMap<&str, Cow<'_, str>> {
    headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect()
}

fn multiple(headers: &HeaderMap) -> BTreeMap<&str, Vec<Cow<'_, str>>> {
    let values = |name| headers.get_all(name).into_iter().map(text).collect();
    headers.keys().map(|name| (name.as_str(), values(name))).collect()
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

fn query<B>(request: &Request<B>) -> Vec<(String, String)> {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn last_of_each(query: &[(String, String)]) -> Option<BTreeMap<&str, &str>> {
    let each: BTreeMap<_, _> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    (!each.is_empty()).then_some(each)
}

fn all_of_each(query: &[(String, String)]) -> Option<BTreeMap<&str, Vec<&str>>> {
    let mut each: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in query {
        each.entry(name).or_default().push(value);
    }
    (!each.is_empty()).then_some(each)
}

fn decoded(value: &str) -> String {
    percent_decode_str(value).decode_utf8_lossy().into_owned()
}

fn body(bytes: &Bytes) -> (Option<String>, bool) {
    if bytes.is_empty() {
        return (None, false);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), false),
        Err(_) => (Some(STANDARD.encode(bytes)), true),
    }
}
