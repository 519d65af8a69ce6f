//! The `authorizer` function: a REQUEST authorizer of API Gateway. It turns a bearer token, or for a
//! socket a ticket, into a caller: tenant and user from there, tier from the tenant's record. API
//! Gateway keeps its answer about a token for a minute and applies it to every route of the stage, so
//! scopes and expiry travel in the context and the functions check them.

mod crypto;
mod keys;
mod settings;
mod token;

use agent_management::clock::Clock;
use agent_management::connection::{self, Ticket};
use agent_management::dynamo::Store;
use agent_management::error::Error;
use agent_management::http::caller::{Caller, Scope};
use agent_management::id::TenantId;
use agent_management::tenant;
use agent_management::tier::{Entitlements, Tiers};
use lambda_http::aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerPolicy, ApiGatewayCustomAuthorizerRequestTypeRequest,
    ApiGatewayCustomAuthorizerResponse,
};
use lambda_http::aws_lambda_events::iam::IamPolicyStatement;
use serde_json::Value;

pub use keys::{KeySource, Keys};
pub use settings::{BadSettings, Settings};
pub use token::Refusal;

/// The parameter of a WebSocket URL that has a ticket.
const TICKET: &str = "ticket";

/// What API Gateway reads as "answer 401".
#[derive(Debug, thiserror::Error)]
#[error("Unauthorized")]
pub struct Unauthorized;

/// The function with what it depends on.
#[derive(Debug)]
pub struct Authorizer {
    settings: Settings,
    keys: Keys,
    store: Store,
    tiers: Tiers,
    clock: Clock,
}

impl Authorizer {
    pub async fn new(settings: Settings, store: Store, tiers: Tiers, clock: Clock) -> Self {
        crypto::install();
        let keys = Keys::load(settings.keys.clone(), clock.now()).await;
        Self { settings, keys, store, tiers, clock }
    }

    /// The answer to API Gateway: a policy with the caller as its context.
    ///
    /// # Errors
    /// [`Unauthorized`], on which API Gateway answers 401, for a token that is refused; the database's
    /// errors and the lack of a key set, on which it answers what the API says of a failed authorizer: 503.
    pub async fn authorize(
        &self,
        event: ApiGatewayCustomAuthorizerRequestTypeRequest,
    ) -> Result<ApiGatewayCustomAuthorizerResponse, lambda_runtime::Error> {
        let ticket = event.query_string_parameters.first(TICKET).filter(|_| is_handshake(&event));
        if let Some(ticket) = ticket {
            let caller = self.redeem(ticket).await;
            return answer(event.method_arn.as_deref().unwrap_or_default(), caller);
        }
        // Two tokens are none: the gateway may remember the answer under the other one.
        let headers =
            if event.multi_value_headers.is_empty() { &event.headers } else { &event.multi_value_headers };
        let mut tokens = headers.get_all(http::header::AUTHORIZATION).into_iter();
        let header = tokens.next().filter(|_| tokens.next().is_none()).and_then(|value| value.to_str().ok());
        let caller = self.identify(header.unwrap_or_default()).await;
        answer(event.method_arn.as_deref().unwrap_or_default(), caller)
    }

    /// The caller whom a ticket lets in, which nobody can use again.
    async fn redeem(&self, ticket: &str) -> Result<Caller, Error> {
        let refused = Error::Unauthorized("not a good ticket");
        let Some(ticket) = Ticket::parse(ticket) else {
            return Err(refused);
        };
        let tenant = ticket.tenant();
        let bearer =
            connection::store::take_ticket(&self.store, &ticket, fastrand::u64(..), self.clock.now());
        let Some(bearer) = bearer.await? else {
            return Err(refused);
        };
        Ok(Caller {
            tenant: tenant.clone(),
            user: bearer.user,
            // A ticket is seen in URLs, so it opens a socket and nothing else.
            scopes: Scope::EventsRead.as_str().to_owned(),
            expires_at: bearer.token_expires_at,
            entitlements: self.entitlements(tenant).await?,
        })
    }

    async fn entitlements(&self, tenant: &TenantId) -> Result<Entitlements, Error> {
        let record = tenant::store::get(&self.store, tenant).await?;
        let entitlements = record.and_then(|record| record.entitlements);
        Ok(entitlements.unwrap_or_else(|| self.tiers.default_entitlements()))
    }

    /// The caller whom an `Authorization` header names.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] with a reason that holds nothing of the token; [`Error::Unavailable`] while
    /// there is no key to judge it by.
    pub async fn identify(&self, authorization: &str) -> Result<Caller, Error> {
        let token = bearer(authorization).ok_or(Error::Unauthorized("not a bearer token"))?;
        let now = self.clock.now();
        let claims =
            token::verify(token, &self.settings, &self.keys, now).await.map_err(|refusal| match refusal {
                Refusal::NoKeySet => Error::Unavailable(refusal.reason().into()),
                refused => Error::Unauthorized(refused.reason()),
            })?;
        let entitlements = self.entitlements(&claims.tenant).await?;
        Ok(Caller {
            tenant: claims.tenant,
            user: claims.user,
            scopes: known_scopes(&claims.scopes),
            expires_at: claims.expires_at,
            entitlements,
        })
    }
}

/// Whether the request opens a socket: only there is a ticket good.
fn is_handshake(event: &ApiGatewayCustomAuthorizerRequestTypeRequest) -> bool {
    // `arn:…:{api}/{stage}/$connect`; a REST route has its method there, then any path of the client's.
    event.method_arn.as_deref().and_then(|arn| arn.splitn(3, '/').nth(2)) == Some("$connect")
}

fn answer(
    method_arn: &str,
    caller: Result<Caller, Error>,
) -> Result<ApiGatewayCustomAuthorizerResponse, lambda_runtime::Error> {
    match caller {
        Ok(caller) => Ok(admission(method_arn, &caller)),
        Err(Error::Unauthorized(reason)) => {
            tracing::info!(reason, "refused");
            Err(Box::new(Unauthorized))
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "failed");
            Err(error.into())
        }
    }
}

/// The scopes that mean something here: a context has room for these, not for whatever a token lists.
fn known_scopes(claimed: &str) -> String {
    let known = Scope::ALL.map(Scope::as_str);
    claimed.split(' ').filter(|scope| known.contains(scope)).collect::<Vec<_>>().join(" ")
}

/// The token in the header. The scheme's case does not matter (RFC 9110 §11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_start_matches(' '))
}

fn admission(method_arn: &str, caller: &Caller) -> ApiGatewayCustomAuthorizerResponse {
    let mut statement = IamPolicyStatement::default();
    statement.action = vec!["execute-api:Invoke".to_owned()];
    statement.resource = vec![whole_stage(method_arn)];
    let mut policy = ApiGatewayCustomAuthorizerPolicy::default();
    policy.version = Some("2012-10-17".to_owned());
    policy.statement = vec![statement];
    let mut response = ApiGatewayCustomAuthorizerResponse::<Value>::default();
    response.principal_id = Some(caller.user.to_string());
    response.policy_document = policy;
    response.context = Value::Object(caller.to_context().into_iter().collect());
    response
}

/// Every route of the stage that `method_arn` is in: the answer is cached for all of them.
fn whole_stage(method_arn: &str) -> String {
    let mut parts = method_arn.splitn(3, '/');
    match (parts.next(), parts.next()) {
        (Some(api), Some(stage)) => format!("{api}/{stage}/*"),
        (_, _) => method_arn.to_owned(),
    }
}
