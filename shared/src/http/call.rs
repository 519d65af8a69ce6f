//! A request once it is accepted: its route is known and its caller may call it.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::base_path::BasePath;
use super::caller::Caller;
use super::routes::Route;
use crate::error::{Error, Result};
use crate::json;
use crate::page::{LIMIT_DEFAULT, LIMIT_MAX};
use crate::patch::{Dialect, Patch};
use crate::violation::Violation;

/// An Idempotency-Key's greatest length in characters.
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// An accepted request.
#[derive(Debug)]
pub struct Call {
    pub route: &'static Route,
    pub(super) params: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub headers: HeaderMap,
    /// What links that are answered begin with.
    pub base_path: BasePath,
    pub(super) body: Bytes,
    pub(super) caller: Option<Caller>,
    pub now: Timestamp,
}

impl Call {
    /// The caller. Routes that anyone may call have none.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub fn caller(&self) -> Result<&Caller> {
        self.caller.as_ref().ok_or(Error::Unauthorized("This route needs a token."))
    }

    /// A parameter of the path, read as a `T`. What can't be one names nothing: 404.
    ///
    /// # Errors
    /// [`Error::NotFound`] of `kind`.
    pub fn param<T: std::str::FromStr>(&self, name: &str, kind: &'static str) -> Result<T> {
        let given = self.params.iter().find(|(known, _)| known == name);
        let decoded = given.and_then(|(_, value)| percent_decode_str(value).decode_utf8().ok());
        decoded.and_then(|value| value.parse().ok()).ok_or(Error::NotFound(kind))
    }

    /// The query's parameters, which must be among `known` and given once each.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`].
    pub fn parameters(&self, known: &'static [&'static str]) -> Result<Parameters<'_>> {
        let invalid = |detail: String| Error::InvalidParameter { name: "query", detail };
        for (index, (name, _)) in self.query.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(invalid(format!("an unknown parameter; this route knows {known}")));
            }
            if self.query[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(invalid("a parameter is given twice".to_owned()));
            }
        }
        Ok(Parameters { query: &self.query })
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::UnsupportedMediaType`], and as [`json::parse`].
    pub fn json(&self) -> Result<Value> {
        let accepted: &[&str] = &["application/json"];
        match self.media_type().as_deref() {
            None | Some("application/json") => json::parse(&self.body),
            Some(_) => Err(Error::UnsupportedMediaType { accepted }),
        }
    }

    /// The body as JSON, or an empty object where there is none.
    ///
    /// # Errors
    /// As [`Call::json`].
    pub fn json_or_empty(&self) -> Result<Value> {
        if self.body.is_empty() { Ok(Value::Object(serde_json::Map::new())) } else { self.json() }
    }

    /// Checks the body of an action that has nothing to say: an empty object, or none.
    ///
    /// # Errors
    /// As [`Call::json`]; [`Error::Invalid`] for anything else.
    pub fn nothing_said(&self) -> Result<()> {
        let violations = match self.json_or_empty()? {
            Value::Object(members) => Violation::unknown_members(members.keys()),
            _ => vec![Violation::new("", "wrong_type", "must be an empty object or absent")],
        };
        if violations.is_empty() { Ok(()) } else { Err(Error::Invalid(violations)) }
    }

    /// The body as a patch; its media type is judged before anything else of the request.
    ///
    /// # Errors
    /// [`Error::UnsupportedMediaType`], and as [`json::parse`] and [`Patch::read`].
    pub fn patch(&self, dialect: Dialect) -> Result<Patch> {
        Patch::read(dialect, json::parse(&self.body)?)
    }

    /// The content type without its parameters, in lower case, if there is one.
    pub fn media_type(&self) -> Option<String> {
        let header = self.headers.get(CONTENT_TYPE)?.to_str().unwrap_or_default();
        Some(header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// The Idempotency-Key: 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`].
    pub fn idempotency_key(&self) -> Result<Option<&str>> {
        let mut headers = self.headers.get_all("idempotency-key").into_iter();
        let Some(header) = headers.next() else {
            return Ok(None);
        };
        // Two keys are none: it would not be clear which one counts.
        let given = if headers.next().is_none() { header.to_str().unwrap_or_default() } else { "" };
        if (1..=IDEMPOTENCY_KEY_MAX).contains(&given.len())
            && given.bytes().all(|byte| byte.is_ascii_graphic())
        {
            Ok(Some(given))
        } else {
            let detail = format!("must be 1 to {IDEMPOTENCY_KEY_MAX} visible ASCII characters");
            Err(Error::InvalidParameter { name: "Idempotency-Key", detail })
        }
    }
}

/// A query's parameters: known ones, each at most once.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    query: &'a [(String, String)],
}

impl<'a> Parameters<'a> {
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// How many rows a page has.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] outside 1 to [`LIMIT_MAX`].
    pub fn limit(self) -> Result<u32> {
        let Some(given) = self.get("limit") else {
            return Ok(LIMIT_DEFAULT);
        };
        let is_plain = !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_digit());
        match given.parse() {
            Ok(limit) if is_plain && (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
            Ok(_) | Err(_) => {
                let detail = format!("must be a number from 1 to {LIMIT_MAX}");
                Err(Error::InvalidParameter { name: "limit", detail })
            }
        }
    }

    /// A switch: absent, `true` or `false`.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for anything else.
    pub fn switch(self, name: &'static str) -> Result<bool> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::InvalidParameter { name, detail: "must be true or false".to_owned() }),
        }
    }
}
