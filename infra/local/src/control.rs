//! `/_local`: what only a development machine offers. It answers a loopback Host without a foreign
//! Origin, and nobody else, so that no web page can reach it through a name that it controls.

use std::time::Duration;

use agent_management::clock::rfc3339;
use agent_management::error::{Error, Result};
use agent_management::http::problem::{Problem, ProblemCode};
use agent_management::http::{BasePath, JSON, PROBLEM_JSON};
use agent_management::id::{InvalidId, TenantId, UserId};
use agent_management::json;
use agent_management::tier::Overrides;
use agent_management::violation::Violation;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::host::Host;
use crate::issuer::{ISSUER, TokenRequest};
use crate::socket;
use crate::table::operation;

/// The longest step that the clock can be moved by: ten years.
const ADVANCE_MAX_S: u64 = 315_360_000;

/// Where functions that run beside the host post to its sockets, as `CONNECTIONS_URL`.
const CONNECTIONS: &str = "/_local/connections/@connections/";

/// The content type of AWS's JSON protocols.
const AMZ_JSON: &str = "application/x-amz-json-1.0";

/// How long `idle` waits.
const IDLE_MAX: Duration = Duration::from_mins(1);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    advance_s: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantRequest {
    tier: String,
    #[serde(default)]
    overrides: Overrides,
}

/// Answers a request below `/_local`.
pub async fn answer(host: &Host, base_url: &str, request: Request<Bytes>) -> Response<Bytes> {
    if !is_local(request.headers()) {
        return problem(&Problem::new(
            ProblemCode::RouteNotFound,
            "Only a loopback Host without a foreign Origin.",
        ));
    }
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let answered = match (request.method(), path.as_str()) {
        (&Method::GET, "/_local") => Ok(about(base_url)),
        (&Method::GET, "/_local/idle") => return idle(host).await,
        (&Method::GET, "/_local/jwks.json") => Ok(host.issuer.key_set_json()),
        (&Method::POST, "/_local/token") => token(host, request.body()),
        (&Method::POST, "/_local/clock") => clock(host, request.body()),
        (&Method::POST, "/_local/dynamodb") => return dynamodb(host, &request),
        (&Method::POST, "/_local/sqs") => return sqs(host, &request),
        (method, path) => {
            if let Some(id) = path.strip_prefix(CONNECTIONS) {
                return connections(host, &request, id);
            }
            match path.strip_prefix("/_local/tenants/").filter(|_| method == Method::PUT) {
                Some(tenant) => set_tier(host, tenant, request.body()).await,
                None => return unknown(),
            }
        }
    };
    match answered {
        Ok(value) => document(http::StatusCode::OK, JSON, value.to_string()),
        Err(error) => problem(&Problem::from(error)),
    }
}

/// Answers a request to the bucket, whose signature is all that it takes.
pub async fn file(host: &Host, request: Request<Bytes>) -> Response<Bytes> {
    if is_local(request.headers()) {
        host.bucket.answer(request).await
    } else {
        problem(&Problem::new(ProblemCode::RouteNotFound, "Only a loopback Host without a foreign Origin."))
    }
}

fn about(base_url: &str) -> Value {
    json!({
        "rest_url": base_url,
        "ws_url": socket::url(base_url),
        "dynamodb_url": format!("{base_url}/_local/dynamodb"),
        "issuer": ISSUER,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// Answers when everything that was written before has been announced.
async fn idle(host: &Host) -> Response<Bytes> {
    match tokio::time::timeout(IDLE_MAX, settled(host)).await {
        Ok(()) => document(http::StatusCode::OK, JSON, json!({"idle": true}).to_string()),
        Err(_) => document(http::StatusCode::GATEWAY_TIMEOUT, JSON, json!({"idle": false}).to_string()),
    }
}

async fn settled(host: &Host) {
    loop {
        // What the stream brings may start a job, and what a job does comes by the stream.
        host.jobs.settled().await;
        tokio::join!(host.fanout.settled(), host.indexer.settled());
        if host.jobs.is_empty() {
            return;
        }
    }
}

fn token(host: &Host, body: &[u8]) -> Result<Value> {
    let request: TokenRequest = json::read(json::parse(body)?)?;
    check_id(request.tenant.parse::<TenantId>(), "/tenant")?;
    if let Some(user) = &request.user {
        check_id(user.parse::<UserId>(), "/user")?;
    }
    Ok(json!({"token": host.issuer.token(&request, host.clock.now())}))
}

fn check_id<T>(parsed: Result<T, InvalidId>, pointer: &str) -> Result<T> {
    parsed.map_err(|_| {
        Error::Invalid(vec![Violation::new(pointer, "invalid", "has characters that it must not have")])
    })
}

fn clock(host: &Host, body: &[u8]) -> Result<Value> {
    let request: ClockRequest = json::read(json::parse(body)?)?;
    if request.advance_s > ADVANCE_MAX_S {
        let violation = Violation::new("/advance_s", "out_of_range", "must be at most ten years");
        return Err(Error::Invalid(vec![violation]));
    }
    host.clock.advance(Duration::from_secs(request.advance_s));
    Ok(json!({"now": rfc3339(host.clock.now())}))
}

async fn set_tier(host: &Host, tenant: &str, body: &[u8]) -> Result<Value> {
    let tenant: TenantId = tenant.parse().map_err(|_| Error::NotFound("tenant"))?;
    let request: TenantRequest = json::read(json::parse(body)?)?;
    if !host.tiers.exists(&request.tier) {
        let violation = Violation::new("/tier", "unknown_tier", "the tier file has no such tier");
        return Err(Error::Invalid(vec![violation]));
    }
    let written = host.entitle(&tenant, &request.tier, &request.overrides).await?;
    host.gateway.forget(&tenant);
    Ok(json!({"tenant": tenant, "tier": written.tier, "overrides": written.overrides}))
}

/// The table itself, for `cargo lambda watch` and other clients of the SDK.
fn dynamodb(host: &Host, request: &Request<Bytes>) -> Response<Bytes> {
    let body = std::str::from_utf8(request.body()).unwrap_or_default();
    let (status, answer) = host.engine.call(asked(request), body);
    document(status_of(status), AMZ_JSON, answer)
}

/// The queues, for the same.
fn sqs(host: &Host, request: &Request<Bytes>) -> Response<Bytes> {
    let body = serde_json::from_slice(request.body()).unwrap_or_default();
    let (status, answer) = host.queues.answer(asked(request), &body);
    document(status_of(status), AMZ_JSON, answer.to_string())
}

/// The sockets' management API, for the same.
fn connections(host: &Host, request: &Request<Bytes>, id: &str) -> Response<Bytes> {
    let id = percent_decode_str(id).decode_utf8_lossy();
    let (status, kind, body) = host.hub.answer(request.method().as_str(), &id, request.body());
    let mut response = document(status_of(status), JSON, body);
    if !kind.is_empty() {
        response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
    }
    response
}

/// The operation that a client of the SDK asks for.
fn asked(request: &Request<Bytes>) -> &str {
    operation(request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()))
}

fn status_of(status: u16) -> http::StatusCode {
    http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR)
}

fn unknown() -> Response<Bytes> {
    problem(&Problem::new(ProblemCode::RouteNotFound, "There is no such route under /_local."))
}

fn problem(problem: &Problem) -> Response<Bytes> {
    document(problem.code.status(), PROBLEM_JSON, problem.to_json("local", &BasePath::default()))
}

fn document(status: http::StatusCode, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Whether the Host is a loopback name and the Origin, if there is one, the same place.
fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let is_loopback = host
        .parse::<http::uri::Authority>()
        .is_ok_and(|authority| matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]"));
    let is_same_origin = headers.get(ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        origin.is_some_and(|origin| origin.authority().is_some_and(|authority| authority.as_str() == host))
    });
    is_loopback && is_same_origin
}
