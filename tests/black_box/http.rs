//! One HTTP exchange, and its answer.

use std::fmt;

use agent_management::http::PROBLEM_JSON;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use harness::PATIENCE;
use http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::{Map, Value};

/// What is between the parts of a form, and in no file that is sent.
const BOUNDARY: &str = "a-boundary-that-is-in-no-file";

/// A request as it is sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Sent {
    pub fn new(method: &str, url: &str) -> Self {
        Self { method: method.to_owned(), url: url.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// A form with these fields and then a file, as a page sends it (RFC 7578).
    ///
    /// # Panics
    /// If a field is no text.
    pub fn form(url: &str, fields: &Map<String, Value>, file: &[u8]) -> Self {
        let mut body = Vec::with_capacity(file.len());
        for (name, value) in fields {
            let value = value.as_str().expect("a text");
            let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend_from_slice(format!("{head}{value}\r\n").as_bytes());
        }
        let disposition = "Content-Disposition: form-data; name=\"file\"; filename=\"agents\"";
        body.extend_from_slice(format!("--{BOUNDARY}\r\n{disposition}\r\n\r\n").as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = vec![("content-type".to_owned(), content_type)];
        Self { headers, body, ..Self::new("POST", url) }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub method: String,
    pub url: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// Why there is none.
pub async fn exchange(connector: &SharedHttpConnector, sent: Sent) -> Result<Answer, String> {
    let Sent { method, url, headers, body } = sent;
    let failed = |reason: &str| format!("{method} {url}: {reason}");
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method(&method).map_err(|_| failed("no method"))?;
    request.set_uri(url.as_str()).map_err(|_| failed("no URL"))?;
    for (name, value) in headers {
        request.headers_mut().try_append(name, value).map_err(|error| failed(&error.to_string()))?;
    }
    let reading = async {
        let response = connector.call(request).await.map_err(|error| failed(&format!("{error:?}")))?;
        let response = response.try_into_http1x().map_err(|error| failed(&error.to_string()))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| failed(&error.to_string()))?.to_bytes();
        Ok::<_, String>((head.status.as_u16(), head.headers, body))
    };
    let read = tokio::time::timeout(PATIENCE, reading).await;
    let (status, headers, body) = read.map_err(|_| failed("no answer in time"))??;
    Ok(Answer { method, url, status, headers, body })
}

impl Answer {
    /// This answer, if its status is `expected`.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn expect(self, expected: u16) -> Self {
        assert_eq!(self.status, expected, "{self}");
        self
    }

    /// The problem document, if this is one of that status and code.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.text("/code").as_str()), (status, code), "{self}");
        self.json()
    }

    pub fn is_problem(&self) -> bool {
        self.header("content-type") == Some(PROBLEM_JSON)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self}"))
    }

    /// The text at `pointer` in the body.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        let document = self.json();
        let text = document.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no text at {pointer} in {self}")).to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The `items` of the page that this is.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        let page = self.json();
        page["items"].as_array().unwrap_or_else(|| panic!("no items in {self}")).clone()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}: {}", self.method, self.url, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        write!(f, "\n{}", String::from_utf8_lossy(&self.body))
    }
}
