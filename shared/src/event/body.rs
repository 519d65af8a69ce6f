//! The public JSON of events, as the Standard Webhooks specification has their bodies
//! (`type`, `timestamp`, `data`), with `id`, `seq`, `tenant`, `actor` and `changed` beside them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Change, Event, EventType, Numbered, Resource, cursor};
use crate::agent::AgentView;
use crate::approval::ApprovalView;
use crate::clock::rfc3339;
use crate::diff::Difference;
use crate::id::TenantId;
use crate::job::JobView;
use crate::template::TemplateView;

/// The greatest body with its data, in bytes. A larger one is thin.
const BODY_MAX_BYTES: usize = 20 * 1024;
/// The greatest value that an audit row keeps, in bytes of its JSON.
const AUDIT_VALUE_MAX_BYTES: usize = 1024;
/// The most values that an audit row keeps.
pub const AUDIT_VALUES_MAX: usize = 64;

/// An event as subscribers get it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub struct EventBody {
    /// `evt_`, the resource's id, `_` and its `rev`: the same wherever and however often it arrives.
    pub id: String,
    #[serde(rename = "type")]
    pub kind: EventType,
    pub timestamp: String,
    /// The number in the tenant's log: 1, 2, 3… without a hole.
    pub seq: u64,
    pub tenant: String,
    pub actor: String,
    /// JSON Pointers of what changed, into the resource; parents where they would be too many.
    pub changed: Vec<String>,
    /// The resource as the change left it, or its id and `rev` alone.
    pub data: Value,
    /// Whether `data` is the id and `rev` alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub data_omitted: bool,
}

/// An event as the log gives it: without its data, and with the cursor after it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LoggedEvent")]
pub struct LoggedEvent {
    #[serde(flatten)]
    pub event: EventBody,
    pub cursor: String,
}

/// A page of the log.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventsPage {
    pub items: Vec<LoggedEvent>,
    /// Null at the log's end.
    pub next_cursor: Option<String>,
    /// How far the log has been read, wanted or not: where to ask `after` the next time.
    pub cursor: String,
}

/// The body with the resource in it, if that is not too large.
pub fn body(tenant: &TenantId, seq: u64, change: &Change) -> EventBody {
    let thin = thin(tenant, seq, &change.event);
    let data = change.after.as_ref().map(|after| match after {
        Resource::Agent(agent) => serde_json::to_value(AgentView::from(agent.as_ref())),
        Resource::Approval(approval) => serde_json::to_value(ApprovalView::new(approval, change.event.at)),
        Resource::Template(template) => serde_json::to_value(TemplateView::private(template)),
        Resource::Entitlements(view) => serde_json::to_value(view),
        Resource::Job(job) => serde_json::to_value(JobView::from(job.as_ref())),
    });
    let Some(Ok(data)) = data else {
        return thin;
    };
    let full = EventBody { data, data_omitted: false, ..thin.clone() };
    let is_large = serde_json::to_vec(&full).map_or(true, |bytes| bytes.len() > BODY_MAX_BYTES);
    if is_large { thin } else { full }
}

/// The body as the log has it.
pub fn logged(tenant: &TenantId, numbered: &Numbered) -> LoggedEvent {
    LoggedEvent { event: thin(tenant, numbered.seq, &numbered.event), cursor: cursor(tenant, numbered.seq) }
}

fn thin(tenant: &TenantId, seq: u64, event: &Event) -> EventBody {
    EventBody {
        id: event.id().to_string(),
        kind: event.kind,
        timestamp: rfc3339(event.at),
        seq,
        tenant: tenant.to_string(),
        actor: event.actor.to_string(),
        changed: event.changed.clone(),
        data: json!({"id": event.entity, "rev": event.rev}),
        data_omitted: true,
    }
}

/// One `rev` of an agent: who made it, when, and what it changed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AuditEntry {
    pub rev: u64,
    pub event_id: String,
    #[serde(rename = "type")]
    pub kind: EventType,
    pub actor: String,
    pub at: String,
    /// At most 64, in the order of their pointers.
    pub changes: Vec<AuditValue>,
}

/// One value that a change touched. A side that was absent is left out; one above 1 KiB of JSON is
/// its size alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditValue {
    /// A JSON Pointer into the agent.
    pub pointer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_bytes: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_bytes: Option<usize>,
}

impl From<&Difference> for AuditValue {
    fn from(difference: &Difference) -> Self {
        let (before, before_bytes) = kept(difference.before.as_ref());
        let (after, after_bytes) = kept(difference.after.as_ref());
        Self { pointer: difference.pointer.clone(), before, after, before_bytes, after_bytes }
    }
}

fn kept(value: Option<&Value>) -> (Option<Value>, Option<usize>) {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return (None, None);
    };
    let bytes = value.to_string().len();
    if bytes > AUDIT_VALUE_MAX_BYTES { (None, Some(bytes)) } else { (Some(value.clone()), None) }
}
