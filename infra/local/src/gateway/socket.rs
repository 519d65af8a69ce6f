//! API Gateway's WebSocket front: the handshake with its authorizer, and the three routes. Bytes on
//! sockets are the server's part.
//!
//! Modelled: `$connect` with the authorizer, which is not cached, and with the function's say on the
//! handshake; `$default`; `$disconnect`. Not modelled: route selection, route responses, throttling.

use http::{Request, StatusCode};
use lambda_http::aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use serde_json::Value;

use super::Gateway;
use super::authorization::CallerContext;
use super::event::{self, SocketRoute};

/// A connection whose handshake is admitted.
#[derive(Debug, Clone)]
pub struct Admitted {
    pub id: String,
    caller: CallerContext,
}

/// The status that a handshake is refused with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub StatusCode);

impl Gateway {
    /// Decides on a handshake.
    ///
    /// # Errors
    /// The status to answer: 401 from the authorizer, or what `$connect` answers.
    pub async fn connect(&self, handshake: &Request<()>) -> Result<Admitted, Refused> {
        let id = connection_id();
        let failed = |_| Refused(StatusCode::INTERNAL_SERVER_ERROR);
        let json = event::socket_authorizer(handshake, &id, self.clock.now());
        let event = serde_json::from_slice(&json).map_err(failed)?;
        let caller = match self.functions.authorizer.authorize(event).await {
            Ok(answer) => CallerContext::new(answer.context),
            Err(error) if error.is::<authorizer::Unauthorized>() => {
                return Err(Refused(StatusCode::UNAUTHORIZED));
            }
            Err(_) => return Err(Refused(StatusCode::INTERNAL_SERVER_ERROR)),
        };
        let admitted = Admitted { id, caller };
        match self.invoke(SocketRoute::Connect, &admitted, None).await {
            status if status.is_success() => Ok(admitted),
            status => Err(Refused(status)),
        }
    }

    /// Hands a client's message on.
    pub async fn message(&self, connection: &Admitted, text: &str) {
        self.invoke(SocketRoute::Default, connection, Some(text)).await;
    }

    /// Says that a connection has ended.
    pub async fn disconnect(&self, connection: &Admitted) {
        self.invoke(SocketRoute::Disconnect, connection, None).await;
    }

    async fn invoke(&self, route: SocketRoute, connection: &Admitted, body: Option<&str>) -> StatusCode {
        let json = event::socket(route, &connection.id, &connection.caller, body, self.clock.now());
        let Ok(event) = serde_json::from_slice::<ApiGatewayWebsocketProxyRequest>(&json) else {
            return StatusCode::INTERNAL_SERVER_ERROR;
        };
        let answer = self.functions.websocket.handle(event).await;
        let status = answer.get("statusCode").and_then(Value::as_u64);
        let status = status.and_then(|status| u16::try_from(status).ok());
        status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::BAD_GATEWAY)
    }
}

/// An id of the form that API Gateway's have: base64 with padding.
fn connection_id() -> String {
    use base64::Engine as _;

    let bytes: [u8; 11] = std::array::from_fn(|_| fastrand::u8(..));
    base64::engine::general_purpose::URL_SAFE.encode(bytes)
}
