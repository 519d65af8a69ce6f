//! The `websocket` function: API Gateway's `$connect`, `$disconnect` and `$default` routes. A socket
//! is a row of its tenant's; what it is told goes through `@connections`, never as this function's
//! answer.

mod connect;
mod resume;
mod said;

use std::sync::Arc;

use agent_management::clock::Clock;
use agent_management::connection::post::{Posted, Sockets};
use agent_management::connection::{Frame, store};
use agent_management::dynamo::Store;
use agent_management::error::{Error, Result};
use agent_management::http::caller::Caller;
use agent_management::id::ConnectionId;
use agent_management::tier::Tiers;
use aws_lambda_events::event::apigw::ApiGatewayWebsocketProxyRequest;
use serde_json::{Value, json};

/// The function with what it depends on.
#[derive(Debug, Clone)]
pub struct WebSocket {
    store: Store,
    sockets: Sockets,
    tiers: Arc<Tiers>,
    clock: Clock,
}

/// Who is at the other end, and where.
#[derive(Debug)]
struct Peer {
    caller: Caller,
    connection: ConnectionId,
}

impl WebSocket {
    pub fn new(store: Store, sockets: Sockets, tiers: Arc<Tiers>, clock: Clock) -> Self {
        Self { store, sockets, tiers, clock }
    }

    /// Answers an event of any of the three routes. The status of `$connect`'s answer decides whether
    /// the handshake succeeds; that of the others reaches nobody.
    pub async fn handle(&self, event: ApiGatewayWebsocketProxyRequest) -> Value {
        let route = event.request_context.route_key.clone().unwrap_or_default();
        let status = match self.answer(&route, event).await {
            Ok(()) => 200,
            Err(error) => {
                let status = status_of(&error);
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(route, status, %error, cause, "refused");
                status
            }
        };
        json!({"statusCode": status})
    }

    async fn answer(&self, route: &str, event: ApiGatewayWebsocketProxyRequest) -> Result<()> {
        let peer = peer(&event)?;
        match route {
            "$connect" => self.connect(&peer).await,
            "$disconnect" => store::delete(&self.store, &peer.caller.tenant, &peer.connection).await,
            _ => self.hear(&peer, event.body.as_deref().unwrap_or_default()).await,
        }
    }

    /// Tells the client something. What does not arrive is the client's to ask for again.
    async fn say(&self, peer: &Peer, frame: &Frame<'_>) -> Posted {
        self.sockets.post(&peer.connection, &frame.to_json()).await
    }
}

/// The caller is what the authorizer said at `$connect`; API Gateway sends it along with every event.
fn peer(event: &ApiGatewayWebsocketProxyRequest) -> Result<Peer> {
    let context = &event.request_context;
    let caller = Caller::from_context(&context.authorizer.fields);
    let connection = context.connection_id.as_deref().and_then(|id| id.parse().ok());
    Ok(Peer {
        caller: caller.ok_or(Error::Unauthorized("no caller"))?,
        connection: connection.ok_or_else(|| Error::internal("an event names no connection"))?,
    })
}

fn status_of(error: &Error) -> u16 {
    match error {
        Error::Unauthorized(_) => 401,
        Error::InsufficientScope(_) | Error::Entitlement(_) => 403,
        Error::Unavailable(_) => 503,
        _ => 500,
    }
}
