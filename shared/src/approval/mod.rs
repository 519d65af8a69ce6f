//! Approvals: changes of an alias that its policy lets pass only if another user of the tenant accepts
//! them. One is asked for by whoever would have made the change, and decided once. It knows no store, HTTP
//! or clock.

pub mod store;
mod view;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use validator::Validate;

use crate::agent::Stamp;
use crate::agent::alias::Alias;
use crate::agent::risk::Risk;
use crate::error::{Error, Result};
use crate::id::{AgentId, AliasName, ApprovalId, UserId};

pub use view::ApprovalView;

/// How long one may be decided: seven days.
const OPEN_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A change that waits for another user.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    pub id: ApprovalId,
    /// 1 when it is asked for, 2 when it is decided.
    pub rev: u64,
    pub agent: AgentId,
    pub alias: AliasName,
    /// The alias when it was asked for: what it was judged against.
    pub before: Alias,
    /// The alias as it is to be.
    pub after: Alias,
    /// Why it has to be accepted; none where the policy itself is loosened.
    pub risks: Vec<Risk>,
    pub requested: Stamp,
    pub expires_at: Timestamp,
    pub decision: Decision,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    Pending,
    Accepted(Stamp),
    Rejected { by: Stamp, reason: Option<String> },
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Pending,
    Accepted,
    Rejected,
    /// Nobody decided in time.
    Expired,
}

impl State {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Accepted, Self::Rejected, Self::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// What a rejection says.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectDocument {
    #[serde(default)]
    #[validate(length(min = 1, max = 2000))]
    pub reason: Option<String>,
}

impl RejectDocument {
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(document: Value) -> Result<Self> {
        crate::agent::read_bounded(document)
    }
}

/// A change as it is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub agent: AgentId,
    pub alias: AliasName,
    pub before: Alias,
    pub after: Alias,
    pub risks: Vec<Risk>,
}

impl Approval {
    pub fn ask(asked: Asked, by: &UserId, now: Timestamp) -> Self {
        let Asked { agent, alias, before, after, risks } = asked;
        Self {
            id: ApprovalId::generate(now),
            rev: 1,
            agent,
            alias,
            before,
            after,
            risks,
            requested: Stamp { at: now, by: by.clone() },
            expires_at: now.checked_add(OPEN_FOR).unwrap_or(Timestamp::MAX),
            decision: Decision::Pending,
        }
    }

    /// Whether the same user has asked for the same.
    pub fn asks(&self, asked: &Asked, by: &UserId) -> bool {
        self.requested.by == *by
            && self.agent == asked.agent
            && self.alias == asked.alias
            && self.before == asked.before
            && self.after == asked.after
    }

    pub fn state(&self, now: Timestamp) -> State {
        match self.decision {
            Decision::Pending if self.expires_at <= now => State::Expired,
            Decision::Pending => State::Pending,
            Decision::Accepted(_) => State::Accepted,
            Decision::Rejected { .. } => State::Rejected,
        }
    }

    /// The approval, decided.
    ///
    /// # Errors
    /// [`Error::Conflict`] for one that is not pending.
    pub fn decide(&self, decision: Decision, now: Timestamp) -> Result<Self> {
        match self.state(now) {
            State::Pending => Ok(Self { rev: self.rev + 1, decision, ..self.clone() }),
            decided @ (State::Accepted | State::Rejected | State::Expired) => {
                Err(Error::Conflict(format!("The approval is {}.", decided.as_str())))
            }
        }
    }

    /// Who decided, and when.
    pub fn decided(&self) -> Option<&Stamp> {
        match &self.decision {
            Decision::Pending => None,
            Decision::Accepted(by) | Decision::Rejected { by, .. } => Some(by),
        }
    }
}
