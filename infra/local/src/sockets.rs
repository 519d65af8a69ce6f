//! The open sockets, and API Gateway's management API for them (`@connections`) as the SDK's HTTP
//! client.
//!
//! Modelled: posting, asking about and closing a connection, 410 for one that is gone, 413 above 128
//! KB, and 429 for one whose client does not keep up. Not modelled: the account's limits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_management::clock::{Clock, rfc3339};
use agent_management::connection::post::Sockets;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::sync::mpsc;

/// API Gateway's greatest message, in bytes.
pub const MESSAGE_MAX_BYTES: usize = 128 * 1024;
/// How many messages wait for a client that does not read.
const WAITING_MAX: usize = 256;

/// What a connection's writer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    Text(String),
    Close,
}

/// The open sockets.
#[derive(Debug, Clone)]
pub struct Hub {
    open: Arc<Mutex<HashMap<String, Outlet>>>,
    clock: Clock,
}

#[derive(Debug)]
struct Outlet {
    sender: mpsc::Sender<Out>,
    connected_at: Timestamp,
}

impl Hub {
    pub fn new(clock: Clock) -> Self {
        Self { open: Arc::default(), clock }
    }

    /// Opens a connection: what is posted to it comes out of the receiver.
    pub fn open(&self, id: &str) -> mpsc::Receiver<Out> {
        self.open_holding(id, WAITING_MAX)
    }

    /// The same, for a client of whom at most `waiting_max` messages wait.
    pub fn open_holding(&self, id: &str, waiting_max: usize) -> mpsc::Receiver<Out> {
        let (sender, receiver) = mpsc::channel(waiting_max);
        let outlet = Outlet { sender, connected_at: self.clock.now() };
        self.locked().insert(id.to_owned(), outlet);
        receiver
    }

    pub fn close(&self, id: &str) {
        self.locked().remove(id);
    }

    /// The product's handle of the sockets, through the SDK.
    pub fn sockets(&self) -> Sockets {
        sockets(SharedHttpClient::new(self.clone()))
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Outlet>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request of the management API: status, kind of error, and body.
    pub fn answer(&self, method: &str, id: &str, body: &[u8]) -> (u16, &'static str, String) {
        let mut open = self.locked();
        let Some(outlet) = open.get(id).filter(|outlet| !outlet.sender.is_closed()) else {
            return (410, "GoneException", "{}".to_owned());
        };
        match method {
            "GET" => {
                let at = rfc3339(outlet.connected_at);
                let identity = json!({"sourceIp": "127.0.0.1", "userAgent": ""});
                (200, "", json!({"connectedAt": at, "lastActiveAt": at, "identity": identity}).to_string())
            }
            "DELETE" => {
                // A writer that is full ends when its receiver is dropped with the outlet.
                let _ = outlet.sender.try_send(Out::Close);
                open.remove(id);
                (204, "", String::new())
            }
            _ if body.len() > MESSAGE_MAX_BYTES => (413, "PayloadTooLargeException", "{}".to_owned()),
            _ => match outlet.sender.try_send(Out::Text(String::from_utf8_lossy(body).into_owned())) {
                Ok(()) => (200, "", String::new()),
                Err(mpsc::error::TrySendError::Full(_)) => (429, "LimitExceededException", "{}".to_owned()),
                Err(mpsc::error::TrySendError::Closed(_)) => (410, "GoneException", "{}".to_owned()),
            },
        }
    }
}

/// The product's handle of sockets behind an HTTP client: the hub, or what stands before it.
pub fn sockets(http_client: SharedHttpClient) -> Sockets {
    let config = aws_sdk_apigatewaymanagement::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .allow_no_auth()
        .endpoint_url("http://sockets.localhost")
        .retry_config(RetryConfig::disabled())
        .http_client(http_client)
        .build();
    Sockets::new(aws_sdk_apigatewaymanagement::Client::from_conf(config))
}

impl HttpConnector for Hub {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let path = request.uri().split('?').next().unwrap_or_default();
        let id = path.rsplit("/@connections/").next().unwrap_or_default();
        let id = percent_decode_str(id).decode_utf8_lossy();
        let (status, kind, body) =
            self.answer(request.method(), &id, request.body().bytes().unwrap_or_default());
        let status = status.try_into().unwrap_or_else(|_| http::StatusCode::INTERNAL_SERVER_ERROR.into());
        let mut response = HttpResponse::new(status, SdkBody::from(body));
        response.headers_mut().insert("content-type", "application/json");
        if !kind.is_empty() {
            response.headers_mut().insert("x-amzn-errortype", kind);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Hub {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
