//! From a REST proxy event to a handler and back. The event becomes a request by `lambda_http`'s types;
//! before it does, its path is made one that they can hold, so that no client can make them panic. The
//! answer is written here: `lambda_http`'s own way knows every character set there is, which is a tenth
//! of a binary.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyRequest;
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, Request, Response};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Map, Value, json};

use crate::http::BasePath;

/// A handler of REST requests. It answers every one: what goes wrong is an answer, too.
pub trait Handler: Clone + Send + Sync + 'static {
    fn handle(&self, request: Request) -> impl Future<Output = Response<Body>> + Send;
}

/// Answers Lambda's events until the environment ends.
///
/// # Errors
/// As the Lambda runtime's.
pub async fn run(handler: impl Handler) -> Result<(), Error> {
    lambda_runtime::run(service_fn(move |event: LambdaEvent<ApiGatewayProxyRequest>| {
        let handler = handler.clone();
        async move { Ok::<_, Error>(answer(&handler, event.payload).await) }
    }))
    .await
}

/// The answer to one event, as the proxy integration has it.
pub async fn answer(handler: &impl Handler, mut event: ApiGatewayProxyRequest) -> Value {
    let base_path = take_base_path(&mut event);
    event.path = event.path.map(|path| holdable(&path));
    keep_every_header(&mut event);
    let mut request = Request::from(LambdaRequest::ApiGatewayV1(event));
    request.extensions_mut().insert(base_path);
    proxy_answer(Box::pin(handler.handle(request)).await)
}

fn proxy_answer(response: Response<Body>) -> Value {
    let (parts, body) = response.into_parts();
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in &parts.headers {
        let values = headers.entry(name.as_str()).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(String::from_utf8_lossy(value.as_bytes()).into());
        }
    }
    let (body, is_base64_encoded) = match body {
        Body::Text(text) => (text, false),
        Body::Binary(bytes) => (STANDARD.encode(bytes), true),
        _ => (String::new(), false),
    };
    json!({
        "statusCode": parts.status.as_u16(),
        "multiValueHeaders": headers,
        "body": body,
        "isBase64Encoded": is_base64_encoded,
    })
}

/// Leaves the route's own path in the event, and gives what stood before it.
fn take_base_path(event: &mut ApiGatewayProxyRequest) -> BasePath {
    let (Some(resource), Some(path)) = (&event.resource, &event.path) else {
        return BasePath::default();
    };
    let whole = event.request_context.path.as_deref().unwrap_or_default();
    let (base_path, path) = BasePath::split(resource, path, whole);
    event.path = Some(path);
    base_path
}

/// Leaves the request's headers in one map only. Where there are two, `lambda_http` lets the last
/// value of each header replace the others; and it makes a URL of Host and X-Forwarded-Proto, which a
/// client may have written so that none can be made.
fn keep_every_header(event: &mut ApiGatewayProxyRequest) {
    if event.multi_value_headers.is_empty() {
        event.multi_value_headers = std::mem::take(&mut event.headers);
    }
    event.headers.clear();
}

/// `path` with every byte that a URI can't hold percent-encoded. What stands encoded stays so.
fn holdable(path: &str) -> String {
    let mut holdable = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}?#".contains(&byte) {
            holdable.push(char::from(byte));
        } else {
            holdable.push_str(&format!("%{byte:02X}"));
        }
    }
    holdable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_becomes_one_that_a_uri_can_hold() {
        for hostile in ["/v1/agents/a b", "/ä/%", "/a?b#c", "/\u{0}\n", "/{id}", "//x"] {
            let path = holdable(hostile);
            assert!(path.parse::<http::Uri>().is_ok(), "{path}");
        }
        assert_eq!(holdable("/v1/agents/a%20b"), "/v1/agents/a%20b");
    }
}
