//! Problem documents (RFC 9457): the catalogue of codes, and the one exhaustive match that turns an
//! [`Error`] into one.

use http::StatusCode;
use serde::Serialize;

use super::base_path::BasePath;
use super::routes::Method;
use crate::error::Error;
use crate::violation::Violation;

/// Where `type` points: a page per code, on the host that answered.
pub const TYPE_BASE: &str = "/problems/";

/// The stable name of a kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemCode {
    MalformedBody,
    InvalidParameter,
    InvalidCursor,
    CursorExpired,
    Unauthorized,
    InsufficientScope,
    EntitlementExceeded,
    RouteNotFound,
    NotFound,
    MethodNotAllowed,
    KeyTaken,
    Deleted,
    Conflict,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    IdempotencyKeyReused,
    PreconditionRequired,
    RateLimited,
    Internal,
    Unavailable,
    NotReady,
}

impl ProblemCode {
    pub const ALL: [Self; 23] = [
        Self::MalformedBody,
        Self::InvalidParameter,
        Self::InvalidCursor,
        Self::CursorExpired,
        Self::Unauthorized,
        Self::InsufficientScope,
        Self::EntitlementExceeded,
        Self::RouteNotFound,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::KeyTaken,
        Self::Deleted,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::IdempotencyKeyReused,
        Self::PreconditionRequired,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
        Self::NotReady,
    ];

    pub fn as_str(self) -> &'static str {
        self.entry().0
    }

    pub fn status(self) -> StatusCode {
        self.entry().1
    }

    pub fn title(self) -> &'static str {
        self.entry().2
    }

    /// What the caller should do about it.
    pub fn advice(self) -> &'static str {
        self.entry().3
    }

    #[expect(clippy::too_many_lines, reason = "a catalogue: one entry per code")]
    fn entry(self) -> (&'static str, StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedBody => (
                "malformed_body",
                S::BAD_REQUEST,
                "The body is not one JSON document",
                "Send UTF-8 JSON without duplicate members, nested less than 128 deep.",
            ),
            Self::InvalidParameter => (
                "invalid_parameter",
                S::BAD_REQUEST,
                "A parameter or header is outside its values",
                "The detail names the parameter and its values. Nothing is clamped or ignored.",
            ),
            Self::InvalidCursor => (
                "invalid_cursor",
                S::BAD_REQUEST,
                "The cursor does not belong to this query",
                "Use next_cursor with the very query that gave it, an event's cursor with the tenant that it is of, or start again without one.",
            ),
            Self::CursorExpired => (
                "cursor_expired",
                S::GONE,
                "The events after the cursor are no longer kept",
                "Start again without `after`, and read the resources as they stand.",
            ),
            Self::Unauthorized => (
                "unauthorized",
                S::UNAUTHORIZED,
                "No valid token",
                "Send `Authorization: Bearer` with a token that has not expired.",
            ),
            Self::InsufficientScope => (
                "insufficient_scope",
                S::FORBIDDEN,
                "The token lacks a scope",
                "Ask for a token with the scope that the detail names.",
            ),
            Self::EntitlementExceeded => (
                "entitlement_exceeded",
                S::FORBIDDEN,
                "The tier does not admit this",
                "Each entry of errors has the limit, what was asked, the lowest tier that admits it and, where one exists, a JSON Patch that makes the request pass.",
            ),
            Self::RouteNotFound => {
                ("route_not_found", S::NOT_FOUND, "No such route", "Compare the path with the API reference.")
            }
            Self::NotFound => (
                "not_found",
                S::NOT_FOUND,
                "No such resource",
                "The tenant has no such resource. Another tenant's resource answers the same.",
            ),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                S::METHOD_NOT_ALLOWED,
                "The route has other methods",
                "The Allow header lists them.",
            ),
            Self::KeyTaken => (
                "key_taken",
                S::CONFLICT,
                "Another agent has this key",
                "Choose another key, or write to the one that has it.",
            ),
            Self::Deleted => (
                "deleted",
                S::CONFLICT,
                "What this request created has been deleted since",
                "To create it again, send the request under another Idempotency-Key.",
            ),
            Self::Conflict => (
                "conflict",
                S::CONFLICT,
                "The resource's state does not allow this",
                "The detail says which state.",
            ),
            Self::PreconditionFailed => (
                "precondition_failed",
                S::PRECONDITION_FAILED,
                "The resource has changed since",
                "Get it again, apply the change to what it is now, and send its new ETag.",
            ),
            Self::PayloadTooLarge => (
                "payload_too_large",
                S::PAYLOAD_TOO_LARGE,
                "The body is too large",
                "A body may have 384 KiB.",
            ),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "The content type is not one that this route reads",
                "The detail lists what it reads.",
            ),
            Self::ValidationFailed => (
                "validation_failed",
                S::UNPROCESSABLE_ENTITY,
                "The document has the wrong shape",
                "Each entry of errors points at a member and says what it must be.",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                S::UNPROCESSABLE_ENTITY,
                "The Idempotency-Key came before with another request",
                "Use a new key for each new request.",
            ),
            Self::PreconditionRequired => (
                "precondition_required",
                S::PRECONDITION_REQUIRED,
                "If-Match is required",
                "Send the ETag that you last read, or `*` to overwrite whatever is there.",
            ),
            Self::RateLimited => (
                "rate_limited",
                S::TOO_MANY_REQUESTS,
                "Too many requests",
                "Repeat the request after Retry-After seconds.",
            ),
            Self::Internal => (
                "internal",
                S::INTERNAL_SERVER_ERROR,
                "A defect of the service",
                "Report the request_id. The request may be repeated.",
            ),
            Self::Unavailable => (
                "unavailable",
                S::SERVICE_UNAVAILABLE,
                "Busy, or a dependency is down",
                "Repeat the request after Retry-After seconds, with the same Idempotency-Key.",
            ),
            Self::NotReady => (
                "not_ready",
                S::SERVICE_UNAVAILABLE,
                "A dependency does not answer",
                "Each entry of errors names one.",
            ),
        }
    }
}

/// A problem document, but for the id of the request that it answers.
#[derive(Debug)]
pub struct Problem {
    pub code: ProblemCode,
    pub detail: String,
    pub errors: Vec<Violation>,
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// What the log says of it, beyond the code.
    pub cause: Option<crate::error::Source>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[Violation]>::is_empty")]
    errors: &'a [Violation],
}

impl Problem {
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), headers: Vec::new(), cause: None }
    }

    pub fn method_not_allowed(allowed: &[Method]) -> Self {
        let allow = allowed.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
        let mut problem = Self::new(ProblemCode::MethodNotAllowed, format!("This path has {allow}."));
        problem.headers.extend(http::HeaderValue::from_str(&allow).map(|value| (http::header::ALLOW, value)));
        problem
    }

    /// The document as JSON, its `type` a link below `base_path`.
    pub fn to_json(&self, request_id: &str, base_path: &BasePath) -> String {
        let document = Document {
            kind: base_path.link(&format!("{TYPE_BASE}{}", self.code.as_str())),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            request_id,
            errors: &self.errors,
        };
        serde_json::to_string(&document).expect("a problem document is always JSON")
    }

    fn listing(code: ProblemCode, errors: Vec<Violation>) -> Self {
        let detail = match errors.len() {
            1 => "1 violation.".to_owned(),
            several => format!("{several} violations."),
        };
        Self { errors, ..Self::new(code, detail) }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        use ProblemCode as P;
        match error {
            Error::NotFound(kind) => Self::new(P::NotFound, format!("There is no such {kind}.")),
            Error::Malformed(detail) => Self::new(P::MalformedBody, detail),
            Error::TooLarge { limit_bytes } => {
                Self::new(P::PayloadTooLarge, format!("The body may have {limit_bytes} bytes."))
            }
            Error::UnsupportedMediaType { accepted } => {
                // RFC 5789 §3.1 has a header of its own for patches.
                let is_patch = accepted == crate::patch::MEDIA_TYPES;
                let name = if is_patch {
                    http::HeaderName::from_static("accept-patch")
                } else {
                    http::header::ACCEPT
                };
                let accepted = accepted.join(", ");
                let mut problem = Self::new(P::UnsupportedMediaType, format!("This route reads {accepted}."));
                problem.headers.extend(http::HeaderValue::from_str(&accepted).map(|value| (name, value)));
                problem
            }
            Error::InvalidParameter { name, detail } => {
                Self::new(P::InvalidParameter, format!("{name}: {detail}."))
            }
            Error::InvalidCursor => Self::new(P::InvalidCursor, P::InvalidCursor.advice()),
            Error::CursorExpired => Self::new(P::CursorExpired, P::CursorExpired.advice()),
            Error::Invalid(violations) => Self::listing(P::ValidationFailed, violations),
            Error::Entitlement(violations) => Self::listing(P::EntitlementExceeded, violations),
            Error::KeyTaken => Self::new(P::KeyTaken, "The tenant has an agent with this key."),
            Error::IdempotencyKeyReused => {
                Self::new(P::IdempotencyKeyReused, P::IdempotencyKeyReused.advice())
            }
            Error::Deleted => Self::new(P::Deleted, P::Deleted.advice()),
            Error::PreconditionRequired => {
                Self::new(P::PreconditionRequired, P::PreconditionRequired.advice())
            }
            Error::PreconditionFailed => Self::new(P::PreconditionFailed, P::PreconditionFailed.advice()),
            Error::Conflict(detail) => Self::new(P::Conflict, detail),
            Error::Unauthorized(detail) => Self {
                headers: vec![(http::header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"))],
                ..Self::new(P::Unauthorized, detail)
            },
            Error::InsufficientScope(scope) => {
                Self::new(P::InsufficientScope, format!("The token lacks the scope {scope}."))
            }
            Error::NotReady(dependencies) => Self::listing(P::NotReady, dependencies),
            Error::Unavailable(cause) => Self {
                headers: vec![(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"))],
                cause: Some(cause),
                ..Self::new(P::Unavailable, P::Unavailable.advice())
            },
            Error::Internal(cause) => {
                Self { cause: Some(cause), ..Self::new(P::Internal, P::Internal.advice()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct() {
        let codes: HashSet<_> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), ProblemCode::ALL.len());
    }
}
