//! What the bucket answers when it does not do what it is asked for: S3's status, code and message.

use std::io;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::xml;

/// A request that is refused, in S3's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// S3's name of what is wrong, as `AccessDenied`.
    pub code: &'static str,
    /// What is wrong, for a person.
    pub message: String,
}

impl Refusal {
    /// A refusal with a status and code of its own.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// Whoever asks may not have it.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    }

    /// Something in the request is not as it has to be.
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
    }

    /// S3 does it and this model does not.
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    /// The fault is on this side.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// The answer that says so.
    pub fn response(&self) -> Response<Bytes> {
        let (code, message) = (self.code, xml::escaped(&self.message));
        let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        xml::document(self.status, &body)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        tracing::error!(%error, "a file of the bucket can't be used");
        Self::internal("We encountered an internal error. Please try again.")
    }
}
