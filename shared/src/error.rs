//! What can go wrong, as callers tell it apart. Nothing here knows HTTP: `http::problem` has the
//! one match that turns an [`Error`] into an answer.

use crate::agent::live::Hold;
use crate::violation::Violation;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A boxed cause, kept for the log and never shown to a client. Its text holds nothing that a
/// client sent: our own words, or the code that the database answered.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such resource in the caller's tenant.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The bytes are not one JSON document.
    #[error("malformed body: {0}")]
    Malformed(String),
    #[error("the body is over {limit_bytes} bytes")]
    TooLarge { limit_bytes: usize },
    #[error("the content type is not one of {accepted:?}")]
    UnsupportedMediaType { accepted: &'static [&'static str] },
    /// A query parameter or header outside its values.
    #[error("invalid parameter {name}: {detail}")]
    InvalidParameter { name: &'static str, detail: String },
    /// A cursor that was not made by the query that it came with.
    #[error("invalid cursor")]
    InvalidCursor,
    /// A cursor of events that are no longer kept for the tenant.
    #[error("cursor expired")]
    CursorExpired,
    /// The document has the wrong shape.
    #[error("{} shape violations", .0.len())]
    Invalid(Vec<Violation>),
    /// The document or the operation exceeds the tenant's tier.
    #[error("{} entitlement violations", .0.len())]
    Entitlement(Vec<Violation>),
    /// Another agent of the tenant has the `key`.
    #[error("key taken")]
    KeyTaken,
    /// The Idempotency-Key came before with another request.
    #[error("idempotency key reused")]
    IdempotencyKeyReused,
    /// What the request created before has been deleted since.
    #[error("deleted")]
    Deleted,
    #[error("If-Match is required")]
    PreconditionRequired,
    #[error("the resource is at another rev")]
    PreconditionFailed,
    /// The operation does not apply to the resource's present state.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Others depend on it; each entry names one.
    #[error("{} dependents", .0.len())]
    Dependents(Vec<Violation>),
    /// Two sides changed the same differently, and nobody said whose change to take; each entry is a place.
    #[error("{} conflicts of a merge", .0.len())]
    MergeConflict(Vec<Violation>),
    /// The agent has no version for the alias to lead to.
    #[error("unpublished")]
    Unpublished,
    /// There is a version, and the alias does not resolve for now.
    #[error("held: {}", .0.as_str())]
    Held(Hold),
    /// The alias's policy refuses the change; each entry is a risk.
    #[error("{} risks that the policy refuses", .0.len())]
    PolicyRefused(Vec<Violation>),
    /// Who asked for an approval tried to decide it.
    #[error("own approval")]
    OwnApproval,
    /// No token, or not a good one.
    #[error("unauthorized: {0}")]
    Unauthorized(&'static str),
    #[error("the scope {0} is missing")]
    InsufficientScope(&'static str),
    /// What the service depends on does not answer; each entry names one.
    #[error("not ready")]
    NotReady(Vec<Violation>),
    /// Contention or a dependency that is down: worth another try.
    #[error("unavailable")]
    Unavailable(#[source] Source),
    /// A defect of ours.
    #[error("internal error")]
    Internal(#[source] Source),
}

impl Error {
    /// A defect, in words that hold nothing of a client's.
    pub fn internal(what: &'static str) -> Self {
        Self::Internal(what.into())
    }
}
