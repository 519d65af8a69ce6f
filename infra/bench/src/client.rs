//! One client: a connection that it keeps.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::TcpStream;

/// What is between the parts of a form; no file of JSON has it with the line's end that goes before.
const BOUNDARY: &str = "a-part-of-the-form";

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
        self.exchange(method, path, token, "application/json", body.into()).await
    }

    /// Changes an agent, whatever its rev.
    pub async fn change(&mut self, path: &str, token: &str, patch: &Value) -> Result<Bytes, String> {
        let patch = patch.to_string().into();
        self.exchange("PATCH", path, Some(token), "application/merge-patch+json", patch).await
    }

    /// Fetches what a URL of this very host leads to, which is signed and needs no token.
    pub async fn fetch(&mut self, url: &str) -> Result<Bytes, String> {
        let path = self.path_of(url)?;
        self.exchange("GET", path, None, "application/json", Bytes::new()).await
    }

    /// Posts a form to a URL of this very host: its fields, which are signed, and then the file.
    pub async fn upload(
        &mut self,
        url: &str,
        fields: &Map<String, Value>,
        file: &[u8],
    ) -> Result<(), String> {
        let path = self.path_of(url)?;
        let mut body = String::new();
        for (name, value) in fields {
            let value = value.as_str().ok_or("a field of the form is no text")?;
            let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"");
            body.push_str(&format!("{head}\r\n\r\n{value}\r\n"));
        }
        let head = "Content-Disposition: form-data; name=\"file\"; filename=\"agents.ndjson\"";
        body.push_str(&format!("--{BOUNDARY}\r\n{head}\r\n\r\n"));
        let mut body = body.into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        self.exchange("POST", path, None, &content_type, body.into()).await.map(drop)
    }

    fn path_of<'url>(&self, url: &'url str) -> Result<&'url str, String> {
        let rest = url.strip_prefix("http://").and_then(|rest| rest.strip_prefix(self.address.as_str()));
        rest.ok_or_else(|| format!("{url} is not of {}", self.address))
    }

    async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        content_type: &str,
        body: Bytes,
    ) -> Result<Bytes, String> {
        let mut request =
            Request::builder().method(method).uri(path).header("host", &self.address).header("if-match", "*");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("content-type", content_type).body(Full::new(body));
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
