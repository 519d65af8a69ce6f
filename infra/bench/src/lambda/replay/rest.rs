//! API Gateway's REST proxy events (payload format 1.0) and the answers to them.

use agent_management::clock::Clock;
use serde_json::{Map, Value, json};

/// A request as API Gateway got it.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// The route's path, with `{id}` where the agent's id stands, or `{template_id}` where a template's does, or
    /// `{job_id}`.
    pub resource: &'a str,
    pub id: &'a str,
    pub query: &'a [(&'a str, &'a str)],
    pub content_type: &'a str,
    pub body: Option<Value>,
}

impl Default for Request<'_> {
    fn default() -> Self {
        let content_type = "application/json";
        Self { method: "GET", resource: "/", id: "", query: &[], content_type, body: None }
    }
}

/// The proxy event of the `turn`th request, of `caller`.
pub fn event(request: &Request<'_>, caller: &Value, turn: usize) -> String {
    let path = ["{id}", "{template_id}", "{job_id}"]
        .iter()
        .fold(request.resource.to_owned(), |path, parameter| path.replace(parameter, request.id));
    let request_id = format!("00000000-0000-4000-9000-{turn:012x}");
    let headers: Map<String, Value> = [
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, br"),
        ("Content-Type", request.content_type),
        ("Host", "api.example.com"),
        ("If-Match", "*"),
        ("Origin", "https://console.example.com"),
        ("User-Agent", "bench/1"),
        ("X-Amzn-Trace-Id", "Root=1-00000000-000000000000000000000000"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ]
    .into_iter()
    .filter(|(name, _)| *name != "If-Match" || request.method == "PATCH")
    .map(|(name, value)| (name.to_owned(), value.into()))
    .collect();
    let query: Map<String, Value> =
        request.query.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    json!({
        "resource": request.resource,
        "path": path,
        "httpMethod": request.method,
        "multiValueHeaders": each_in_a_list(&headers),
        "headers": headers,
        "multiValueQueryStringParameters": each_in_a_list(&query),
        "queryStringParameters": query,
        "pathParameters": if request.id.is_empty() { Value::Null } else { json!({"id": request.id}) },
        "stageVariables": null,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "bench",
            "authorizer": caller,
            "domainName": "api.example.com",
            "httpMethod": request.method,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "bench/1"},
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTimeEpoch": Clock::system().now().as_millisecond(),
            "resourcePath": request.resource,
            "stage": "v1",
        },
        "body": request.body.as_ref().map(Value::to_string),
        "isBase64Encoded": false,
    })
    .to_string()
}

fn each_in_a_list(members: &Map<String, Value>) -> Map<String, Value> {
    members.iter().map(|(name, value)| (name.clone(), json!([value]))).collect()
}

/// The document in a 2xx answer.
///
/// # Errors
/// The status of any other, with a problem's code.
pub fn document(answer: &Value) -> Result<Value, String> {
    let body = answer["body"].as_str().unwrap_or_default();
    let document: Value = serde_json::from_str(body).unwrap_or_default();
    succeeded(answer)
        .map_err(|status| format!("{status} {}", document["code"].as_str().unwrap_or_default()))?;
    Ok(document)
}

/// That an answer's status is a 2xx.
///
/// # Errors
/// The status of any other.
pub fn succeeded(answer: &Value) -> Result<(), String> {
    match answer["statusCode"].as_u64() {
        Some(200..=299) => Ok(()),
        Some(status) => Err(format!("status {status}")),
        None => Err("no status".to_owned()),
    }
}
