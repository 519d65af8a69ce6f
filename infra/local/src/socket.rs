//! WebSocket connections: bytes on the socket, and API Gateway's limits on them.
//!
//! Modelled: text messages up to 128 KB in frames up to 32 KB, one message at a time for each
//! connection, the end after 10 minutes without a message and after 2 hours. Not modelled: binary
//! messages, which are refused.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};

use crate::gateway::Admitted;
use crate::host::Host;
use crate::sockets::{MESSAGE_MAX_BYTES, Out};

/// Where sockets are opened.
pub const PATH: &str = "/ws";
const FRAME_MAX_BYTES: usize = 32 * 1024;
const IDLE_MAX: SignedDuration = SignedDuration::from_mins(10);
const LIFE_MAX: SignedDuration = SignedDuration::from_hours(2);
/// How often the limits of time are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a client may take to receive one message before its connection ends.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// The WebSocket URL of a host.
pub fn url(base_url: &str) -> String {
    format!("{}{PATH}", base_url.replacen("http", "ws", 1))
}

/// Answers a handshake.
pub async fn open(host: &Arc<Host>, parts: &mut Parts, stopping: watch::Receiver<bool>) -> Response {
    let upgrade = match WebSocketUpgrade::from_request_parts(parts, &()).await {
        Ok(upgrade) => upgrade.max_frame_size(FRAME_MAX_BYTES).max_message_size(MESSAGE_MAX_BYTES),
        Err(_) => return refuse(StatusCode::UPGRADE_REQUIRED),
    };
    let mut handshake = Request::new(());
    *handshake.uri_mut() = parts.uri.clone();
    *handshake.headers_mut() = parts.headers.clone();
    let admitted = match host.gateway.connect(&handshake).await {
        Ok(admitted) => admitted,
        Err(refused) => return refuse(refused.0),
    };
    let receiver = host.hub.open(&admitted.id);
    let host = Arc::clone(host);
    upgrade.on_upgrade(async move |socket| {
        Box::pin(serve(&host, &admitted, socket, receiver, stopping)).await;
        host.hub.close(&admitted.id);
        host.gateway.disconnect(&admitted).await;
    })
}

fn refuse(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if status == StatusCode::UPGRADE_REQUIRED {
        response.headers_mut().insert(http::header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    response
}

async fn serve(
    host: &Arc<Host>,
    connection: &Admitted,
    socket: WebSocket,
    receiver: mpsc::Receiver<Out>,
    mut stopping: watch::Receiver<bool>,
) {
    use futures_util::StreamExt;

    let (writer, mut reader) = socket.split();
    let mut writing = tokio::spawn(write(writer, receiver));
    let opened_at = host.clock.now();
    let mut active_at = opened_at;
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            message = reader.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    active_at = host.clock.now();
                    // One at a time: a client that floods waits for itself alone.
                    host.gateway.message(connection, &text).await;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => active_at = host.clock.now(),
                Some(Ok(Message::Binary(_) | Message::Close(_)) | Err(_)) | None => break,
            },
            _ = look.tick() => if is_over(host.clock.now(), opened_at, active_at) { break },
            // The writer ends when the connection is closed from this side or the client is too slow.
            _ = &mut writing => return,
            () = stopped(&mut stopping) => break,
        }
    }
    host.hub.close(&connection.id);
    // What was posted already still goes out, and the close frame after it.
    let _ = tokio::time::timeout(Duration::from_secs(1), &mut writing).await;
    writing.abort();
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn is_over(now: Timestamp, opened_at: Timestamp, active_at: Timestamp) -> bool {
    now.duration_since(opened_at) >= LIFE_MAX || now.duration_since(active_at) >= IDLE_MAX
}

async fn write(
    mut writer: futures_util::stream::SplitSink<WebSocket, Message>,
    mut receiver: mpsc::Receiver<Out>,
) {
    use futures_util::SinkExt;

    while let Some(Out::Text(text)) = receiver.recv().await {
        let sent = tokio::time::timeout(WRITE_MAX, writer.send(Message::Text(text.into()))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
    let goodbye = CloseFrame { code: close_code::AWAY, reason: "Going away".into() };
    let _ = tokio::time::timeout(WRITE_MAX, writer.send(Message::Close(Some(goodbye)))).await;
}
