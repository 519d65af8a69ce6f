//! One client: a connection that it keeps.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

#[derive(Debug)]
pub struct Client {
    address: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    pub async fn connect(address: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(Self { address: address.to_owned(), sender })
    }

    /// Sends a request with JSON and reads the answer, which must be a 2xx.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Bytes, String> {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.exchange(method, path, token, "application/json", body).await
    }

    /// Changes an agent, whatever its rev.
    pub async fn change(&mut self, path: &str, token: &str, patch: &Value) -> Result<Bytes, String> {
        self.exchange("PATCH", path, Some(token), "application/merge-patch+json", patch.to_string()).await
    }

    async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        content_type: &str,
        body: String,
    ) -> Result<Bytes, String> {
        let mut request =
            Request::builder().method(method).uri(path).header("host", &self.address).header("if-match", "*");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("content-type", content_type).body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| error.to_string())?;
        self.sender.ready().await.map_err(|error| error.to_string())?;
        let answer = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        if status.is_success() { Ok(body) } else { Err(refused(method, path, status, &body)) }
    }
}

fn refused(method: &str, path: &str, status: StatusCode, body: &[u8]) -> String {
    format!("{method} {path}: {status} {}", String::from_utf8_lossy(body))
}
