//! The service through its sockets: a host that listens, requests to it, and WebSocket clients.

use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use local::cli::Options;
use local::server::{Running, start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A host that keeps its data in `data` and listens on a free port, or on `port`.
pub fn options(data: &Path, port: u16) -> Options {
    Options { port, data: data.to_owned(), cors_origins: Vec::new(), ephemeral: false }
}

/// Sends requests to a host that listens.
#[derive(Debug, Clone)]
pub struct Remote {
    pub base_url: String,
    pub token: String,
}

impl Remote {
    /// A client of the tenant with every scope.
    pub async fn of(base_url: &str, tenant: &str) -> Self {
        let nobody = Self { base_url: base_url.to_owned(), token: String::new() };
        let answer = nobody.post("/_local/token", &json!({"tenant": tenant})).await.1;
        Self { token: answer["token"].as_str().expect("a token").to_owned(), ..nobody }
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, Some(body)).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, None).await
    }

    /// The status and the body, which must be JSON or empty.
    pub async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.try_send(method, path, body).await.expect("an answer")
    }

    /// What the table answers to one request of DynamoDB's protocol.
    pub async fn table(&self, operation: &str, request: &Value) -> Value {
        let target = format!("X-Amz-Target: DynamoDB_20120810.{operation}\r\n");
        let answer = self.exchange("POST", "/_local/dynamodb", &target, Some(request)).await;
        let (status, answer) = answer.expect("an answer");
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The same as `send`; none if the host does not answer.
    pub async fn try_send(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        self.exchange(method, path, "", body).await
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        header: &str,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let address = self.base_url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.ok()?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let content_type =
            if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nIf-Match: *\r\n\
             {header}Authorization: Bearer {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len(),
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).unwrap_or_default()))
    }

    pub async fn ticket(&self) -> String {
        let (status, answer) = self.post("/v1/ws-tickets", &json!({})).await;
        assert_eq!(status, 201, "{answer}");
        answer["ticket"].as_str().expect("a ticket").to_owned()
    }

    /// Opens a socket with a new ticket.
    pub async fn socket(&self) -> Socket {
        let ticket = self.ticket().await;
        self.socket_at(&format!("?ticket={ticket}"), None).await.expect("a socket")
    }

    /// Opens a socket with this query and Authorization header, or gives the status of the refusal.
    pub async fn socket_at(&self, query: &str, authorization: Option<&str>) -> Result<Socket, u16> {
        let url = format!("{}/ws{query}", self.base_url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("a URL");
        if let Some(authorization) = authorization {
            let value = authorization.parse().expect("a header's value");
            request.headers_mut().insert("authorization", value);
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, _)) => Ok(Socket { stream }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no handshake: {error}"),
        }
    }

    /// Waits until everything that was written has been announced.
    pub async fn idle(&self) {
        assert_eq!(self.get("/_local/idle").await.0, 200);
    }

    pub async fn advance_s(&self, seconds: u64) {
        assert_eq!(self.post("/_local/clock", &json!({"advance_s": seconds})).await.0, 200);
    }
}

/// A client's end of a socket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    pub async fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string()).await;
    }

    pub async fn say_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.expect("the socket takes a message");
    }

    /// The same, whether or not the socket is still open.
    pub async fn try_say(&mut self, text: &str) -> bool {
        self.stream.send(Message::text(text)).await.is_ok()
    }

    /// The next frame.
    ///
    /// # Panics
    /// When none comes in time, or the socket ends.
    pub async fn hear(&mut self) -> Value {
        self.try_hear().await.expect("a frame before the end")
    }

    /// The next frame, or none at the end of the socket.
    ///
    /// # Panics
    /// When neither comes in time.
    pub async fn try_hear(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(_) | Err(_)) | None => return None,
            }
        }
    }

    /// The next frame of this type; others before it are passed over.
    pub async fn hear_type(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Subscribes to everything, from after the cursor if there is one, and gives the answer.
    pub async fn subscribe(&mut self, after: Option<&str>) -> Value {
        let mut message = json!({"action": "subscribe", "id": "s"});
        if let Some(after) = after {
            message["after"] = after.into();
        }
        self.say(&message).await;
        let answer = self.hear().await;
        assert_eq!(answer["type"], "subscribed", "{answer}");
        answer
    }
}

/// A listening host with an empty table, in a folder of its own.
#[derive(Debug)]
pub struct Listening {
    pub folder: tempfile::TempDir,
    pub host: Running,
}

impl Listening {
    pub async fn start() -> Self {
        Self::start_with(Vec::new()).await
    }

    /// The same, for scripts of this origin too.
    pub async fn start_admitting(origin: &str) -> Self {
        Self::start_with(vec![origin.to_owned()]).await
    }

    async fn start_with(cors_origins: Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options { cors_origins, ..options(folder.path(), 0) };
        let host = start(&options).await.expect("it starts");
        Self { folder, host }
    }

    pub async fn client(&self, tenant: &str) -> Remote {
        Remote::of(&self.host.base_url, tenant).await
    }

    /// The same, on a tier without a limit on agents. That it is now is the first event of the tenant's log,
    /// long enough ago to be settled.
    pub async fn client_on(&self, tenant: &str, tier: &str) -> Remote {
        let remote = self.client(tenant).await;
        let said = json!({"tier": tier, "overrides": {"agents": null}});
        assert_eq!(remote.send("PUT", &format!("/_local/tenants/{tenant}"), Some(&said)).await.0, 200);
        assert_eq!(remote.get("/_local/idle").await.0, 200);
        remote.advance_s(120).await;
        remote
    }

    pub async fn stop(self) {
        self.host.stop().await.expect("it stops");
    }
}
