//! Lambda's Runtime API, as its documentation has it (version 2018-06-01), for one execution
//! environment: it hands out events one at a time and passes on what the runtime says of them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};

use crate::loopback::Loopback;

/// What every path of the API begins with.
const BASE: &str = "/2018-06-01/runtime";
/// How long an invocation may take by the deadline that it is given: what API Gateway waits.
const INVOCATION_MAX: Duration = Duration::from_secs(29);
/// Lambda's limit on an answer.
const ANSWER_MAX_BYTES: usize = 6 * 1024 * 1024;

/// What the runtime calls the API for.
#[derive(Debug)]
pub enum Call {
    /// It asks for an event.
    Next(Instant),
    Response {
        request_id: String,
        answer: Bytes,
    },
    /// The function failed, for this reason.
    Error {
        request_id: String,
        reason: String,
    },
    /// The function can't start, for this reason.
    InitError(String),
}

/// The API, as the driver of an environment has it.
#[derive(Debug)]
pub struct RuntimeApi {
    server: Loopback,
    invocations: mpsc::UnboundedSender<Invocation>,
    calls: mpsc::UnboundedReceiver<Call>,
    sent: u64,
}

#[derive(Debug)]
struct Invocation {
    request_id: String,
    event: String,
}

#[derive(Debug)]
struct Api {
    function_arn: String,
    invocations: Mutex<mpsc::UnboundedReceiver<Invocation>>,
    calls: mpsc::UnboundedSender<Call>,
}

impl RuntimeApi {
    pub async fn serve(function: &str) -> Result<Self, String> {
        let (invocations, waiting) = mpsc::unbounded_channel();
        let (said, calls) = mpsc::unbounded_channel();
        let api = Api {
            function_arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{function}"),
            invocations: Mutex::new(waiting),
            calls: said,
        };
        let router = Router::new().fallback(answer).with_state(Arc::new(api));
        Ok(Self { server: Loopback::serve(router).await?, invocations, calls, sent: 0 })
    }

    /// What `AWS_LAMBDA_RUNTIME_API` is.
    pub fn address(&self) -> &str {
        &self.server.address
    }

    /// Lets the runtime have an event, and gives the request id that it gets.
    pub fn send(&mut self, event: String) -> Result<String, String> {
        self.sent += 1;
        let request_id = format!("00000000-0000-4000-8000-{:012x}", self.sent);
        let invocation = Invocation { request_id: request_id.clone(), event };
        self.invocations.send(invocation).map_err(|_| "the Runtime API has ended".to_owned())?;
        Ok(request_id)
    }

    /// What the runtime calls for next.
    pub async fn call(&mut self) -> Result<Call, String> {
        self.calls.recv().await.ok_or_else(|| "the Runtime API has ended".to_owned())
    }
}

async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    let called_at = Instant::now();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix(BASE).unwrap_or_default();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if parts.method == Method::GET && segments == ["invocation", "next"] {
        let _ = api.calls.send(Call::Next(called_at));
        return next(&api).await;
    }
    let Ok(body) = to_bytes(body, ANSWER_MAX_BYTES).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let call = match (&parts.method, segments.as_slice()) {
        (&Method::POST, ["invocation", request_id, "response"]) => {
            Call::Response { request_id: (*request_id).to_owned(), answer: body }
        }
        (&Method::POST, ["invocation", request_id, "error"]) => {
            Call::Error { request_id: (*request_id).to_owned(), reason: member(&body, "errorMessage") }
        }
        (&Method::POST, ["init", "error"]) => Call::InitError(member(&body, "errorMessage")),
        (_, _) => return plain(StatusCode::NOT_FOUND),
    };
    let _ = api.calls.send(call);
    plain(StatusCode::ACCEPTED)
}

/// The next event, when there is one.
async fn next(api: &Api) -> Response {
    let Some(Invocation { request_id, event }) = api.invocations.lock().await.recv().await else {
        return plain(StatusCode::GONE);
    };
    let deadline = (SystemTime::now() + INVOCATION_MAX).duration_since(UNIX_EPOCH).unwrap_or_default();
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", request_id)
        .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
        .header("lambda-runtime-invoked-function-arn", &api.function_arn)
        .header("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0")
        .body(Body::from(event));
    response.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A text of the runtime's error document.
fn member(document: &[u8], name: &str) -> String {
    let document: Value = serde_json::from_slice(document).unwrap_or_default();
    document[name].as_str().unwrap_or("without a reason").to_owned()
}
