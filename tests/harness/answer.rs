//! An answer, and its rendering for snapshots: status, headers and body in full, with what differs
//! from run to run named instead of shown.

use std::fmt::{self, Write};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn new(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status, headers: parts.headers, body }
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self}"))
    }

    /// The text at `pointer` in the body.
    ///
    /// # Panics
    /// If there is none.
    pub fn text(&self, pointer: &str) -> String {
        let document = self.json();
        let text = document.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no text at {pointer} in {self}")).to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// This answer, if its status is `expected`.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn expect(self, expected: u16) -> Self {
        assert_eq!(self.status.as_u16(), expected, "{self}");
        self
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}\n", self.status);
        let mut names: Vec<_> = self.headers.keys().collect();
        names.sort_by_key(|name| name.as_str());
        for name in names {
            for value in self.headers.get_all(name) {
                writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
            }
        }
        if !self.body.is_empty() {
            let body = match serde_json::from_slice::<Value>(&self.body) {
                Ok(document) => format!("{document:#}"),
                Err(_) => String::from_utf8_lossy(&self.body).into_owned(),
            };
            write!(text, "\n{body}")?;
        }
        f.write_str(&redact(&text))
    }
}

/// Names ids and request ids instead of showing them.
fn redact(text: &str) -> String {
    let mut ids = text.to_owned();
    for (prefix, with) in [("agt_", "agt_[id]"), ("apv_", "apv_[id]")] {
        ids = replace_runs(&ids, prefix, with, |run| run == 26, |byte| byte.is_ascii_alphanumeric());
    }
    replace_runs(&ids, "local-", "[request-id]", |_| true, |byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Replaces `prefix` and the bytes after it that are `part` of it, where `is_whole` takes their number.
fn replace_runs(
    text: &str,
    prefix: &str,
    with: &str,
    is_whole: impl Fn(usize) -> bool,
    part: impl Fn(u8) -> bool,
) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(prefix) {
        let tail = &rest[at + prefix.len()..];
        let run = tail.bytes().take_while(|byte| part(*byte)).count();
        out.push_str(&rest[..at]);
        if is_whole(run) {
            out.push_str(with);
            rest = &tail[run..];
        } else {
            out.push_str(prefix);
            rest = tail;
        }
    }
    out + rest
}
