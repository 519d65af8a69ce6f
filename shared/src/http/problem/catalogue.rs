//! The catalogue of problems: their stable names, statuses, and what a caller should do.

use http::StatusCode;

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
    HasDependents,
    MergeConflict,
    Unpublished,
    Locked,
    PolicyRefused,
    OwnApproval,
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
    pub const ALL: [Self; 29] = [
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
        Self::HasDependents,
        Self::MergeConflict,
        Self::Unpublished,
        Self::Locked,
        Self::PolicyRefused,
        Self::OwnApproval,
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
            Self::HasDependents => (
                "has_dependents",
                S::CONFLICT,
                "Others depend on it",
                "Each entry of errors names one. Change them first, or repeat the request with `force=true`.",
            ),
            Self::MergeConflict => (
                "merge_conflict",
                S::CONFLICT,
                "The agent and the template changed the same",
                "Each entry of errors points at one place. Say in `resolutions` or `take` whose value to take.",
            ),
            Self::Unpublished => {
                ("unpublished", S::CONFLICT, "There is no published version", "Publish it first.")
            }
            Self::Locked => (
                "locked",
                S::LOCKED,
                "The agent is out of use",
                "It is paused, suspended or archived: resume the alias, mend what suspended it, or restore it.",
            ),
            Self::PolicyRefused => (
                "policy_refused",
                S::FORBIDDEN,
                "The alias's policy refuses this change",
                "Each entry of errors has a risk that the policy does not admit.",
            ),
            Self::OwnApproval => (
                "own_approval",
                S::FORBIDDEN,
                "Who asks can't decide",
                "Another user of the tenant accepts or rejects it.",
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
