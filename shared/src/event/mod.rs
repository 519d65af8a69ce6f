//! Events: what happened to which resource, one for each `rev` of it. They reach a tenant's log
//! first, which numbers them densely, and everyone else from there. Nothing here knows the store, a
//! socket or the clock.

mod body;
mod change;
mod others;
pub mod store;
mod tail;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use body::{AuditEntry, AuditValue, EventBody, EventsPage, LoggedEvent, body, logged};
pub use change::{Change, Resource, audit_values, of_agent, resynced};
pub use others::{of_approval, of_job, of_template, of_tenant};
pub use tail::{REMEMBERED_MAX, SETTLED_AFTER, Tail};

use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::page::Binding;
use crate::tier::{LimitName, Limits};

/// Above every number of an event: a key of the log has room for 15 digits.
const NUMBER_END: u64 = 1_000_000_000_000_000;
/// How long the log is kept, in hours: 31 days.
const REPLAY_HOURS_MAX: u64 = 31 * 24;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum EventType {
    #[serde(rename = "agent.created")]
    AgentCreated,
    #[serde(rename = "agent.updated")]
    AgentUpdated,
    #[serde(rename = "agent.published")]
    AgentPublished,
    #[serde(rename = "agent.rolled_back")]
    AgentRolledBack,
    #[serde(rename = "agent.alias_changed")]
    AgentAliasChanged,
    #[serde(rename = "agent.archived")]
    AgentArchived,
    #[serde(rename = "agent.restored")]
    AgentRestored,
    #[serde(rename = "agent.suspended")]
    AgentSuspended,
    #[serde(rename = "agent.transferred")]
    AgentTransferred,
    #[serde(rename = "agent.deleted")]
    AgentDeleted,
    /// Changes up to this `rev` may have gone unannounced: read the agent.
    #[serde(rename = "agent.resynced")]
    AgentResynced,
    /// The catalogue says now that the agent's model retires.
    #[serde(rename = "agent.model_retiring")]
    AgentModelRetiring,
    #[serde(rename = "approval.requested")]
    ApprovalRequested,
    #[serde(rename = "approval.accepted")]
    ApprovalAccepted,
    #[serde(rename = "approval.rejected")]
    ApprovalRejected,
    #[serde(rename = "template.created")]
    TemplateCreated,
    #[serde(rename = "template.updated")]
    TemplateUpdated,
    #[serde(rename = "template.published")]
    TemplatePublished,
    #[serde(rename = "template.deleted")]
    TemplateDeleted,
    /// The tenant's tier or its own limits are others now.
    #[serde(rename = "entitlements.changed")]
    EntitlementsChanged,
    /// 80 % of a limit are used, or all of it.
    #[serde(rename = "entitlements.warning")]
    EntitlementsWarning,
    #[serde(rename = "job.created")]
    JobCreated,
    /// A part of its items has come to its end, or it goes another way.
    #[serde(rename = "job.progressed")]
    JobProgressed,
    #[serde(rename = "job.finished")]
    JobFinished,
    #[serde(rename = "job.failed")]
    JobFailed,
    #[serde(rename = "job.cancelled")]
    JobCancelled,
}

impl EventType {
    pub const ALL: [Self; 26] = [
        Self::AgentCreated,
        Self::AgentUpdated,
        Self::AgentPublished,
        Self::AgentRolledBack,
        Self::AgentAliasChanged,
        Self::AgentArchived,
        Self::AgentRestored,
        Self::AgentSuspended,
        Self::AgentTransferred,
        Self::AgentDeleted,
        Self::AgentResynced,
        Self::AgentModelRetiring,
        Self::ApprovalRequested,
        Self::ApprovalAccepted,
        Self::ApprovalRejected,
        Self::TemplateCreated,
        Self::TemplateUpdated,
        Self::TemplatePublished,
        Self::TemplateDeleted,
        Self::EntitlementsChanged,
        Self::EntitlementsWarning,
        Self::JobCreated,
        Self::JobProgressed,
        Self::JobFinished,
        Self::JobFailed,
        Self::JobCancelled,
    ];

    /// Their names, in the same order.
    pub const NAMES: [&'static str; Self::ALL.len()] = {
        let mut names = [""; Self::ALL.len()];
        let mut index = 0;
        while index < names.len() {
            names[index] = Self::ALL[index].as_str();
            index += 1;
        }
        names
    };

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentCreated => "agent.created",
            Self::AgentUpdated => "agent.updated",
            Self::AgentPublished => "agent.published",
            Self::AgentRolledBack => "agent.rolled_back",
            Self::AgentAliasChanged => "agent.alias_changed",
            Self::AgentArchived => "agent.archived",
            Self::AgentRestored => "agent.restored",
            Self::AgentSuspended => "agent.suspended",
            Self::AgentTransferred => "agent.transferred",
            Self::AgentDeleted => "agent.deleted",
            Self::AgentResynced => "agent.resynced",
            Self::AgentModelRetiring => "agent.model_retiring",
            Self::ApprovalRequested => "approval.requested",
            Self::ApprovalAccepted => "approval.accepted",
            Self::ApprovalRejected => "approval.rejected",
            Self::TemplateCreated => "template.created",
            Self::TemplateUpdated => "template.updated",
            Self::TemplatePublished => "template.published",
            Self::TemplateDeleted => "template.deleted",
            Self::EntitlementsChanged => "entitlements.changed",
            Self::EntitlementsWarning => "entitlements.warning",
            Self::JobCreated => "job.created",
            Self::JobProgressed => "job.progressed",
            Self::JobFinished => "job.finished",
            Self::JobFailed => "job.failed",
            Self::JobCancelled => "job.cancelled",
        }
    }
}

/// There is no such type of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownType;

impl FromStr for EventType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        Self::ALL.into_iter().find(|known| known.as_str() == text).ok_or(UnknownType)
    }
}

/// An event's identifier: `evt_`, the resource's id, `_` and its `rev`. One event has one id wherever
/// and however often it arrives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventId(String);

impl EventId {
    pub fn new(entity: &str, rev: u64) -> Self {
        Self(format!("evt_{entity}_{rev}"))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An event as the log keeps it: thin, and short, since a segment of the log has up to 64.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The id of the resource.
    #[serde(rename = "e")]
    pub entity: String,
    #[serde(rename = "r")]
    pub rev: u64,
    #[serde(rename = "t")]
    pub kind: EventType,
    /// When the change was made, in milliseconds since the epoch.
    #[serde(rename = "at", with = "milliseconds")]
    pub at: Timestamp,
    #[serde(rename = "by")]
    pub actor: UserId,
    /// JSON Pointers of what changed, at most [`change::CHANGED_MAX`].
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// The resource's tags before and after, so that whoever follows a tag hears of its removal.
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Event {
    pub fn id(&self) -> EventId {
        EventId::new(&self.entity, self.rev)
    }
}

mod milliseconds {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.as_millisecond())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::from_millisecond(i64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// An event with its number in the tenant's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// 1, 2, 3… without a hole.
    pub seq: u64,
    pub event: Event,
}

/// Which events someone wants. An empty list asks for any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<EventType>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agent_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.types.is_empty() && self.agent_ids.is_empty() && self.tags.is_empty()
    }

    /// Whether the event is wanted: by its type, its agent, and any of its tags.
    pub fn admits(&self, event: &Event) -> bool {
        (self.types.is_empty() || self.types.contains(&event.kind))
            && (self.agent_ids.is_empty() || self.agent_ids.contains(&event.entity))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| event.tags.contains(tag)))
    }
}

/// How far back a tenant may read its events.
pub fn replay_window(limits: &Limits<'_>) -> Duration {
    let hours = limits.get(LimitName::EventReplayHours).unwrap_or(REPLAY_HOURS_MAX);
    Duration::from_hours(hours.min(REPLAY_HOURS_MAX))
}

/// The cursor after the event with this number: one for sockets, webhooks and the log's route.
pub fn cursor(tenant: &TenantId, seq: u64) -> String {
    binding(tenant).encode(&seq.to_string())
}

/// The number in a cursor.
///
/// # Errors
/// [`Error::InvalidCursor`] when it is not of this tenant's log.
pub fn read_cursor(tenant: &TenantId, cursor: &str) -> Result<u64> {
    let digits = binding(tenant).decode(cursor)?;
    // As it was written, and no greater than a key of the log can hold.
    match digits.parse::<u64>() {
        Ok(seq) if seq < NUMBER_END && seq.to_string() == digits => Ok(seq),
        Ok(_) | Err(_) => Err(Error::InvalidCursor),
    }
}

fn binding(tenant: &TenantId) -> Binding {
    Binding::new(&[tenant.as_str(), "events"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_is_written() {
        for (kind, name) in EventType::ALL.into_iter().zip(EventType::NAMES) {
            assert_eq!((kind.as_str(), name.parse()), (name, Ok(kind)));
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
        }
    }

    #[test]
    fn a_filter_admits_what_all_of_its_lists_name() {
        let event = Event {
            entity: "agt_1".to_owned(),
            rev: 1,
            kind: EventType::AgentUpdated,
            at: Timestamp::UNIX_EPOCH,
            actor: "dev".parse().unwrap(),
            changed: Vec::new(),
            tags: vec!["blue".to_owned()],
        };
        let filter = |json: &str| serde_json::from_str::<Filter>(json).unwrap();
        for (json, expected) in [
            ("{}", true),
            (r#"{"types":["agent.updated","agent.deleted"]}"#, true),
            (r#"{"types":["agent.deleted"]}"#, false),
            (r#"{"agent_ids":["agt_1"],"tags":["red","blue"]}"#, true),
            (r#"{"agent_ids":["agt_2"],"tags":["blue"]}"#, false),
            (r#"{"tags":["red"]}"#, false),
        ] {
            assert_eq!(filter(json).admits(&event), expected, "{json}");
        }
    }

    #[test]
    fn a_cursor_is_its_tenant_s_only() {
        let (one, other): (TenantId, TenantId) = ("acme".parse().unwrap(), "acme2".parse().unwrap());
        assert_eq!(read_cursor(&one, &cursor(&one, 7)).unwrap(), 7);
        assert!(read_cursor(&other, &cursor(&one, 7)).is_err());
        assert!(read_cursor(&one, "x").is_err());
        for forged in ["", "-1", "+1", "01", "18446744073709551615", "1000000000000000", "1 "] {
            assert!(read_cursor(&one, &binding(&one).encode(forged)).is_err(), "{forged}");
        }
    }
}
