//! A client's end of a WebSocket, over TCP or TLS.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use harness::PATIENCE;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// An open socket. An event that comes again is passed over: it may, and clients know it by its id.
pub struct Socket {
    stream: WebSocketStream<Box<dyn Wire>>,
    /// Subscription and event of every event that has come.
    seen: HashSet<(String, String)>,
    /// What came while something else was waited for.
    waiting: VecDeque<Value>,
}

impl Socket {
    /// Opens a socket, or gives the status that the handshake is refused with.
    ///
    /// # Panics
    /// If the handshake fails otherwise.
    pub async fn open(url: &str, authorization: Option<&str>) -> Result<Self, u16> {
        let mut request = url.into_client_request().expect("a WebSocket URL");
        if let Some(authorization) = authorization {
            let value = authorization.parse().expect("a header's value");
            request.headers_mut().insert("authorization", value);
        }
        let handshake = async {
            let wire = connect(request.uri()).await;
            tokio_tungstenite::client_async(request, wire).await
        };
        match timeout(PATIENCE, handshake).await.expect("a handshake in time") {
            Ok((stream, _)) => Ok(Self { stream, seen: HashSet::new(), waiting: VecDeque::new() }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no handshake: {error}"),
        }
    }

    pub async fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string()).await;
    }

    pub async fn say_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.expect("the socket takes a message");
    }

    /// The same, whether or not the socket takes it.
    pub async fn try_say_text(&mut self, text: &str) {
        let _ = self.stream.send(Message::text(text)).await;
    }

    /// The next frame.
    ///
    /// # Panics
    /// When none comes in time, or the socket ends.
    pub async fn hear(&mut self) -> Value {
        match self.waiting.pop_front() {
            Some(frame) => frame,
            None => self.receive().await.expect("a frame before the end"),
        }
    }

    /// The next frame, if one comes within `patience` and before the end.
    pub async fn hear_within(&mut self, patience: Duration) -> Option<Value> {
        match self.waiting.pop_front() {
            Some(frame) => Some(frame),
            None => timeout(patience, self.receive()).await.ok().flatten(),
        }
    }

    /// The next frame of this type; others before it are heard later.
    pub async fn hear_type(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.receive().await.expect("a frame before the end");
            if frame["type"] == kind {
                return frame;
            }
            self.waiting.push_back(frame);
        }
    }

    /// The next frame, which must be an event of this subscription.
    pub async fn hear_event(&mut self, subscription: &str) -> Value {
        let frame = self.hear().await;
        assert_eq!((&frame["type"], &frame["id"]), (&json!("event"), &json!(subscription)), "{frame}");
        frame["event"].clone()
    }

    /// Asks for a pong, which must be the next frame.
    pub async fn expect_silence(&mut self) {
        self.say(&json!({"action": "ping"})).await;
        let frame = self.hear().await;
        assert_eq!(frame["type"], "pong", "{frame}");
        assert!(frame["cursor"].is_string(), "{frame}");
    }

    /// Subscribes, and gives the cursor that the subscription begins at.
    pub async fn subscribe(&mut self, id: &str, filter: &Value, after: Option<&str>) -> String {
        let mut message = json!({"action": "subscribe", "id": id, "filter": filter});
        if let Some(after) = after {
            message["after"] = after.into();
        }
        self.say(&message).await;
        let frame = self.hear_type("subscribed").await;
        assert_eq!(frame["id"], id, "{frame}");
        frame["cursor"].as_str().expect("a cursor").to_owned()
    }

    /// Says something that is refused, and checks with what code.
    pub async fn expect_error(&mut self, text: &str, code: &str) -> Value {
        self.say_text(text).await;
        let frame = self.hear_type("error").await;
        assert_eq!(frame["code"], code, "{text:.100}: {frame}");
        frame
    }

    /// Closes the socket and waits until the other end has, too.
    pub async fn close(mut self) {
        let _ = self.stream.close(None).await;
        self.expect_end().await;
    }

    /// Waits for the end of the socket.
    ///
    /// # Panics
    /// When it does not come in time.
    pub async fn expect_end(&mut self) {
        while self.receive().await.is_some() {}
    }

    /// The next frame that is new, or none at the end.
    async fn receive(&mut self) -> Option<Value> {
        loop {
            let message = timeout(PATIENCE, self.stream.next()).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
                    if self.is_new(&frame) {
                        return Some(frame);
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => {}
                Some(Ok(message)) => panic!("frames are texts: {message:?}"),
                Some(Err(_)) | None => return None,
            }
        }
    }

    fn is_new(&mut self, frame: &Value) -> bool {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        frame["type"] != "event" || self.seen.insert((text(&frame["id"]), text(&frame["event"]["id"])))
    }
}

/// A connection to the URL's host, with TLS where the URL asks for it.
async fn connect(url: &http::Uri) -> Box<dyn Wire> {
    let host = url.host().expect("a host");
    let is_secure = url.scheme_str() == Some("wss");
    let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await.expect("the WebSocket URL's host listens");
    stream.set_nodelay(true).expect("an option of TCP");
    if !is_secure {
        return Box::new(stream);
    }
    let name = ServerName::try_from(host.to_owned()).expect("a name of a host");
    let stream = TlsConnector::from(tls_config()).connect(name, stream).await.expect("a TLS handshake");
    Box::new(stream)
}

/// The system's roots, and ring as everywhere here.
fn tls_config() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions of TLS");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}
