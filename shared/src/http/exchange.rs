//! One request and its answer: [`serve`] puts the steps together, [`open`] decides whether a handler sees the request at all, and
//! [`Exchange::close`] turns what the handler said into the answer, with the headers that every
//! answer has, and the one log line.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};

use super::base_path::BasePath;
use super::call::Call;
use super::caller::Caller;
use super::cors::Cors;
use super::problem::{Problem, ProblemCode};
use super::reply::{PROBLEM_JSON, Reply};
use super::routes::{self, Access, Found, Function, Route};
use crate::error::{Error, Result};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request that is being answered.
#[derive(Debug)]
struct Exchange {
    request_id: String,
    base_path: BasePath,
    method: http::Method,
    route: Option<&'static Route>,
}

/// Answers `request` for `function`: `dispatch` sees it only if it is accepted.
pub async fn serve<F: Future<Output = Result<Reply>>>(
    function: Function,
    request: Request,
    cors: &Cors,
    now: Timestamp,
    dispatch: impl FnOnce(Call) -> F,
) -> Response<Body> {
    if let Some(mut preflight) = cors.preflight(&request) {
        mark(&request_id(&request), preflight.headers_mut());
        return preflight;
    }
    let origin = request.headers().get(ORIGIN).cloned();
    let (exchange, admitted) = open(function, request, now);
    let outcome = match admitted {
        Ok(call) => dispatch(call).await.map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    let mut answer = exchange.close(outcome);
    cors.mark(origin.as_ref(), answer.headers_mut());
    answer
}

/// What API Gateway calls the request.
fn request_id(request: &Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.request_id.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// Every answer says which request it is of.
fn mark(request_id: &str, headers: &mut HeaderMap) {
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        headers.insert(&REQUEST_ID, request_id);
    }
}

/// Accepts `request` for `function`, or says why not.
fn open(function: Function, request: Request, now: Timestamp) -> (Exchange, Result<Call, Problem>) {
    let request_id = request_id(&request);
    let caller = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => Caller::from_context(&context.authorizer.fields),
        _ => None,
    };
    let base_path = request.extensions().get::<BasePath>().cloned().unwrap_or_default();
    let mut exchange =
        Exchange { request_id, base_path: base_path.clone(), method: request.method().clone(), route: None };
    let (route, params) = match routes::find(request.method().as_str(), request.raw_http_path()) {
        Found::Route(matched) if matched.0.operation.function() == function => matched,
        Found::OtherMethods(methods) => return (exchange, Err(Problem::method_not_allowed(&methods))),
        Found::Route(_) | Found::Nothing => {
            let problem = Problem::new(ProblemCode::RouteNotFound, "There is no such route.");
            return (exchange, Err(problem));
        }
    };
    exchange.route = Some(route);
    let query = request
        .query_string_parameters_ref()
        .map(|query| query.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    let (parts, body) = request.into_parts();
    let call = Call {
        route,
        params,
        query: query.unwrap_or_default(),
        headers: parts.headers,
        base_path,
        body: into_bytes(body),
        caller,
        now,
    };
    let admitted = admit(&call).map(|()| call).map_err(Problem::from);
    (exchange, admitted)
}

fn admit(call: &Call) -> Result<()> {
    let Access::Scope(scope) = call.route.access else {
        return Ok(());
    };
    let caller = call.caller()?;
    if caller.expires_at <= call.now {
        return Err(Error::Unauthorized("The token has expired."));
    }
    caller.require(scope)
}

fn into_bytes(body: Body) -> Bytes {
    match body {
        Body::Text(text) => text.into(),
        Body::Binary(bytes) => bytes.into(),
        _ => Bytes::new(),
    }
}

impl Exchange {
    /// The answer.
    fn close(self, outcome: Result<Reply, Problem>) -> Response<Body> {
        let (status, mut headers, body) = match outcome {
            Ok(reply) => (reply.status, reply.headers, reply.body),
            Err(problem) => self.refuse(problem),
        };
        tracing::info!(
            request_id = self.request_id,
            method = %self.method,
            route = self.route.map_or("none", |route| route.path),
            status = status.as_u16(),
            "answered"
        );
        if let Some(location) = headers.get(LOCATION).and_then(|path| path.to_str().ok())
            && let Ok(location) = HeaderValue::from_str(&self.base_path.link(location))
        {
            headers.insert(LOCATION, location);
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        mark(&self.request_id, &mut headers);
        let mut response = Response::new(if body.is_empty() { Body::Empty } else { Body::Text(body) });
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    fn refuse(&self, problem: Problem) -> (http::StatusCode, HeaderMap, String) {
        let code = problem.code;
        if let Some(cause) = &problem.cause {
            tracing::error!(request_id = self.request_id, code = code.as_str(), %cause, "failed");
        }
        let body = problem.to_json(&self.request_id, &self.base_path);
        let mut headers = HeaderMap::from_iter(problem.headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        (code.status(), headers, body)
    }
}
