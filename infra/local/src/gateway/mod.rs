//! API Gateway's fronts on one machine. [`socket`] is the WebSocket API; this is REST: a request becomes a real proxy event, passes the
//! authorizer and its cache, reaches the function that the route table names, and its answer
//! becomes a response.
//!
//! Modelled: routes, the authorizer with its identity source and cache, proxy events and answers,
//! the 10 MB body limit, and gateway responses as problem documents. Not modelled: throttling, API
//! keys, request mapping, caching of answers, and the limit of 29 seconds.

mod authorization;
mod event;
mod socket;

use std::sync::atomic::{AtomicU64, Ordering};

use agent_management::clock::Clock;
use agent_management::error::Error;
use agent_management::http::cors::Cors;
use agent_management::http::problem::{Problem, ProblemCode};
use agent_management::http::routes::{self, Access, Found, Function};
use agent_management::http::{BasePath, PROBLEM_JSON};
use agent_management::id::TenantId;
use agent_management::lambda::rest;
use agents::Agents;
use authorizer::Authorizer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use jobs::Jobs;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use templates::Templates;
use webhooks::Webhooks;
use websocket::WebSocket;

use authorization::AuthorizerCache;
pub use socket::{Admitted, Refused};

/// API Gateway's limit on a request's body.
pub const BODY_MAX_BYTES: usize = 10 * 1024 * 1024;

/// API Gateway's limit on the request line and the headers.
const REQUEST_LINE_MAX_BYTES: usize = 10_240;

/// The functions behind the gateway.
#[derive(Debug)]
pub struct Functions {
    pub agents: Agents,
    pub authorizer: Authorizer,
    pub jobs: Jobs,
    pub templates: Templates,
    pub webhooks: Webhooks,
    pub websocket: WebSocket,
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    functions: Functions,
    authorized: AuthorizerCache,
    clock: Clock,
    cors: Cors,
    requests: AtomicU64,
    /// Sets one run's request ids apart from another's.
    run: u64,
}

impl Gateway {
    pub fn new(functions: Functions, clock: Clock, cors: Cors) -> Self {
        let run = u64::try_from(clock.now().as_millisecond()).unwrap_or_default();
        Self {
            functions,
            authorized: AuthorizerCache::default(),
            clock,
            cors,
            requests: AtomicU64::new(0),
            run,
        }
    }

    /// Forgets what the authorizer said of a tenant's callers, as if the cache's minute were over.
    pub fn forget(&self, tenant: &TenantId) {
        self.authorized.forget(tenant);
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let request_id = self.next_request_id();
        let origin = request.headers().get(ORIGIN).cloned();
        match self.route(request, &request_id).await {
            Ok(response) => response,
            Err(problem) => {
                let mut response = gateway_response(&problem, &request_id);
                self.cors.mark(origin.as_ref(), response.headers_mut());
                response
            }
        }
    }

    async fn route(&self, request: Request<Bytes>, request_id: &str) -> Result<Response<Bytes>, Problem> {
        if request.uri().path_and_query().is_some_and(|line| line.as_str().len() > REQUEST_LINE_MAX_BYTES) {
            let detail = "The path and the query may have 10,240 bytes.";
            return Err(Problem::new(ProblemCode::InvalidParameter, detail));
        }
        if request.body().len() > BODY_MAX_BYTES {
            return Err(Problem::new(ProblemCode::PayloadTooLarge, "The body may have 10 MB."));
        }
        let (route, params) = match routes::find(request.method().as_str(), request.uri().path()) {
            Found::Route(matched) => matched,
            // Every resource has an OPTIONS method, which reaches the resource's function.
            Found::OtherMethods(methods) if request.method() == Method::OPTIONS => {
                match routes::find(methods[0].as_str(), request.uri().path()) {
                    Found::Route(matched) => matched,
                    Found::OtherMethods(_) | Found::Nothing => {
                        return Err(Problem::method_not_allowed(&methods));
                    }
                }
            }
            Found::OtherMethods(methods) => return Err(Problem::method_not_allowed(&methods)),
            Found::Nothing => {
                return Err(Problem::new(ProblemCode::RouteNotFound, "There is no such route."));
            }
        };
        let caller = match route.access {
            Access::Public => None,
            Access::Scope(_) if request.method() == Method::OPTIONS => None,
            Access::Scope(_) => Some(self.authorize(&request, request_id).await?),
        };
        let json = event::proxy(&request, route, &params, caller, request_id, self.clock.now());
        let event: ApiGatewayProxyRequest = serde_json::from_slice(&json).map_err(|error| failed(&error))?;
        let answer = match route.operation.function() {
            Function::Agents => rest::answer(&self.functions.agents, event).await,
            Function::Templates => rest::answer(&self.functions.templates, event).await,
            Function::Jobs => rest::answer(&self.functions.jobs, event).await,
            Function::Webhooks => rest::answer(&self.functions.webhooks, event).await,
        };
        let answer: ApiGatewayProxyResponse =
            serde_json::from_value(answer).map_err(|error| failed(&error))?;
        response(answer)
    }

    /// The authorizer's context for the request: from the cache, or from the function.
    async fn authorize(
        &self,
        request: &Request<Bytes>,
        request_id: &str,
    ) -> Result<authorization::CallerContext, Problem> {
        let unauthorized = |detail| Problem::from(Error::Unauthorized(detail));
        // The identity source: without it API Gateway answers by itself.
        let Some(identity) = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok())
        else {
            return Err(unauthorized("The Authorization header is missing."));
        };
        if request.headers().get_all(AUTHORIZATION).iter().count() > 1 {
            return Err(unauthorized("There is more than one Authorization header."));
        }
        let now = self.clock.now();
        if let Some(context) = self.authorized.get(identity, now) {
            return Ok(context);
        }
        let json = event::authorizer(request, request_id);
        let event = serde_json::from_slice(&json).map_err(|error| failed(&error))?;
        match self.functions.authorizer.authorize(event).await {
            Ok(answer) => Ok(self.authorized.keep(identity, answer.context, now)),
            Err(error) if error.is::<authorizer::Unauthorized>() => {
                Err(unauthorized("The token is not valid."))
            }
            // The API's own answer to an authorizer that fails.
            Err(error) => {
                tracing::error!(%error, "the authorizer failed");
                Err(Problem::from(Error::Unavailable("the authorizer failed".into())))
            }
        }
    }

    fn next_request_id(&self) -> String {
        format!("local-{:x}-{}", self.run, self.requests.fetch_add(1, Ordering::Relaxed))
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(%error, "a function failed");
    Problem::new(ProblemCode::Internal, "The function failed.")
}

/// What the gateway answers by itself.
fn gateway_response(problem: &Problem, request_id: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(problem.to_json(request_id, &BasePath::default())));
    *response.status_mut() = problem.code.status();
    response.headers_mut().extend(problem.headers.iter().cloned());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), request_id);
    }
    response
}

/// What a function's answer is as a response.
fn response(answer: ApiGatewayProxyResponse) -> Result<Response<Bytes>, Problem> {
    let body = match answer.body {
        None => Bytes::new(),
        Some(body) if answer.is_base64_encoded => {
            STANDARD.decode(body.as_ref()).map_err(|error| failed(&error))?.into()
        }
        Some(body) => Bytes::copy_from_slice(body.as_ref()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = u16::try_from(answer.status_code)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = answer.headers;
    for (name, value) in &answer.multi_value_headers {
        if !response.headers().contains_key(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    Ok(response)
}
