//! What a handler replies with.

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::precondition::etag;
use crate::error::{Error, Result};

pub const JSON: &str = "application/json";
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A successful answer.
#[derive(Debug)]
pub struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Reply {
    /// `status` with `value` as JSON.
    ///
    /// # Errors
    /// [`Error::Internal`] if it has no form as JSON.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Self> {
        let body =
            serde_json::to_string(value).map_err(|_| Error::internal("an answer has no form as JSON"))?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(JSON))]);
        Ok(Self { status, headers, body })
    }

    pub fn ok(value: &impl Serialize) -> Result<Self> {
        Self::json(StatusCode::OK, value)
    }

    /// An HTML page that loads nothing and runs nothing.
    pub fn page(html: String) -> Self {
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (
                CONTENT_SECURITY_POLICY,
                HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
            ),
        ]);
        Self { status: StatusCode::OK, headers, body: html }
    }

    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: String::new() }
    }

    /// With the entity tag of `rev`.
    pub fn with_etag(self, rev: u64) -> Self {
        self.with(ETAG, &etag(rev))
    }

    /// With a weak entity tag (RFC 9110 §8.8.1), which is no `rev`: what it says is the same, though not every
    /// byte is.
    pub fn with_weak_tag(self, opaque: &str) -> Self {
        self.with(ETAG, &format!("W/\"{opaque}\""))
    }

    pub fn with_location(self, path: &str) -> Self {
        self.with(LOCATION, path)
    }

    /// With when to ask again (RFC 9110 §10.2.3).
    pub fn with_retry_after(self, seconds: u32) -> Self {
        self.with(RETRY_AFTER, &seconds.to_string())
    }

    /// Marks the answer to a request that came before.
    pub fn replayed(self) -> Self {
        self.with(HeaderName::from_static("idempotent-replayed"), "true")
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        // Every value here is made of ids and numbers, which are always valid.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}
