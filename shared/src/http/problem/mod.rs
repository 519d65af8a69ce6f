//! Problem documents (RFC 9457): the catalogue of codes, and the one exhaustive match that turns an
//! [`Error`] into one.

mod catalogue;

use serde::Serialize;

use super::base_path::BasePath;
use super::routes::Method;
use crate::error::Error;
use crate::violation::Violation;

pub use catalogue::ProblemCode;

/// Where `type` points: a page per code, on the host that answered.
pub const TYPE_BASE: &str = "/problems/";

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
            Error::Dependents(dependents) => {
                Self { errors: dependents, ..Self::new(P::HasDependents, P::HasDependents.advice()) }
            }
            Error::MergeConflict(conflicts) => {
                Self { errors: conflicts, ..Self::new(P::MergeConflict, P::MergeConflict.advice()) }
            }
            Error::Unpublished => Self::new(P::Unpublished, P::Unpublished.advice()),
            Error::Held(hold) => Self::new(P::Locked, format!("It is {}.", hold.as_str())),
            Error::PolicyRefused(risks) => Self::listing(P::PolicyRefused, risks),
            Error::OwnApproval => Self::new(P::OwnApproval, P::OwnApproval.advice()),
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
