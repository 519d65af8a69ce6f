//! From two images of a head to the event between them. The type follows from a fixed precedence:
//! deleted, created, archived, restored, suspended, published, rolled back, alias changed, transferred, model
//! retiring, updated. `changed` tells the rest.

use serde::Serialize;
use serde_json::Value;

use super::{Event, EventType};
use crate::agent::alias::heaviest;
use crate::agent::{Agent, AgentView, Head, Status};
use crate::approval::Approval;
use crate::diff::{Difference, differences};
use crate::entitlement::EntitledView;
use crate::error::{Error, Result};
use crate::id::{AgentId, AliasName};
use crate::job::Job;
use crate::template::Template;

/// The most pointers that an event lists. What has more names their common parents.
pub const CHANGED_MAX: usize = 16;
/// A pointer's greatest length in bytes in an event; a longer one names its parent.
const POINTER_MAX_BYTES: usize = 96;
/// Members that every change touches, which say nothing.
const ALWAYS: [&str; 6] =
    ["rev", "updated_at", "updated_by", "config_hash", "published_version", "unpublished_changes"];

/// An event with what the log does not keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub event: Event,
    /// The resource as the change left it; none of what is deleted.
    pub after: Option<Resource>,
    /// What differs, with the values on both sides.
    pub differences: Vec<Difference>,
    /// Whether a job changed it, of which there may be thousands at once.
    pub is_of_job: bool,
}

impl Change {
    /// A change of which nobody asks what differs.
    pub(super) fn of(event: Event, after: Option<Resource>) -> Self {
        Self { event, after, differences: Vec::new(), is_of_job: false }
    }
}

/// What a change left.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    Agent(Box<Agent>),
    Approval(Box<Approval>),
    Template(Box<Template>),
    Entitlements(Box<EntitledView>),
    Job(Box<Job>),
}

/// The change from one image of an agent's head to the next; none if they are the same `rev`.
///
/// # Errors
/// [`Error::Internal`] if an agent has no form as JSON.
pub fn of_agent(id: &AgentId, before: Option<&Head>, after: &Head) -> Result<Option<Change>> {
    let live_before = before.and_then(Head::agent);
    if before.is_some_and(|before| before.rev() >= after.rev()) {
        return Ok(None);
    }
    let (kind, at, actor) = match (live_before, after) {
        (_, Head::Deleted(tombstone)) => (EventType::AgentDeleted, tombstone.at, tombstone.by.clone()),
        (None, Head::Live(agent)) => (EventType::AgentCreated, agent.updated.at, agent.updated.by.clone()),
        (Some(before), Head::Live(after)) => {
            (kind_of(before, after), after.updated.at, after.updated.by.clone())
        }
    };
    let differences = match (live_before, after.agent()) {
        (Some(before), Some(after)) => {
            let (before, after) = documents(&AgentView::from(before), &AgentView::from(after))?;
            differences(&before, &after)
        }
        (_, _) => Vec::new(),
    };
    let event = Event {
        entity: id.to_string(),
        rev: after.rev(),
        kind,
        at,
        actor,
        changed: pointers(&differences),
        tags: tags(live_before, after.agent()),
    };
    let after = after.agent().cloned().map(|agent| Resource::Agent(Box::new(agent)));
    Ok(Some(Change { differences, ..Change::of(event, after) }))
}

/// The event that stands for every change up to the agent's `rev` that went unannounced.
pub fn resynced(agent: &Agent) -> Change {
    let event = Event {
        entity: agent.id.to_string(),
        rev: agent.rev,
        kind: EventType::AgentResynced,
        at: agent.updated.at,
        actor: agent.updated.by.clone(),
        changed: Vec::new(),
        tags: agent.content.tags.clone(),
    };
    let after = Some(Resource::Agent(Box::new(agent.clone())));
    Change::of(event, after)
}

fn kind_of(before: &Agent, after: &Agent) -> EventType {
    match (&before.status, &after.status) {
        (Status::Active | Status::Suspended { .. }, Status::Archived(_)) => EventType::AgentArchived,
        (Status::Archived(_), Status::Active | Status::Suspended { .. })
        | (Status::Suspended { .. }, Status::Active) => EventType::AgentRestored,
        (Status::Active, Status::Suspended { .. }) => EventType::AgentSuspended,
        (Status::Active, Status::Active)
        | (Status::Suspended { .. }, Status::Suspended { .. })
        | (Status::Archived(_), Status::Archived(_)) => {
            if before.published_version() != after.published_version() {
                EventType::AgentPublished
            } else if is_rolled_back(before, after) {
                EventType::AgentRolledBack
            } else if before.aliases != after.aliases {
                EventType::AgentAliasChanged
            } else if before.owner != after.owner {
                EventType::AgentTransferred
            } else if is_told_of_retirement(before, after) {
                EventType::AgentModelRetiring
            } else {
                EventType::AgentUpdated
            }
        }
    }
}

/// Whether all that is new is that the model retires.
fn is_told_of_retirement(before: &Agent, after: &Agent) -> bool {
    after.retiring.is_some() && before.retiring != after.retiring && before.content == after.content
}

/// Whether `live` leads to one version, and to a later one before.
fn is_rolled_back(before: &Agent, after: &Agent) -> bool {
    let live = AliasName::live();
    let routes = |agent: &Agent| agent.aliases.get(&live).map(|alias| alias.routes.clone());
    match (routes(before).and_then(|routes| heaviest(&routes)), routes(after).as_deref()) {
        (Some(from), Some([to])) => to.version < from.version,
        (_, _) => false,
    }
}

/// Two views of a resource without what every change touches.
pub(super) fn documents<V: Serialize>(before: &V, after: &V) -> Result<(Value, Value)> {
    Ok((document(before)?, document(after)?))
}

fn document(view: &impl Serialize) -> Result<Value> {
    let mut document =
        serde_json::to_value(view).map_err(|_| Error::internal("a resource has no form as JSON"))?;
    if let Some(members) = document.as_object_mut() {
        members.retain(|name, _| !ALWAYS.contains(&name.as_str()));
    }
    Ok(document)
}

/// The pointers of what differs, or of the parents of what differs if those are too many.
pub(super) fn pointers(differences: &[Difference]) -> Vec<String> {
    let mut pointers: Vec<String> =
        differences.iter().map(|difference| bounded(&difference.pointer).to_owned()).collect();
    pointers.dedup();
    while pointers.len() > CHANGED_MAX {
        let deepest = pointers.iter().map(|pointer| depth(pointer)).max().unwrap_or_default();
        if deepest <= 1 {
            pointers.truncate(CHANGED_MAX);
            break;
        }
        for pointer in pointers.iter_mut().filter(|pointer| depth(pointer) == deepest) {
            pointer.truncate(pointer.rfind('/').unwrap_or_default());
        }
        pointers.sort();
        pointers.dedup();
    }
    pointers
}

fn bounded(pointer: &str) -> &str {
    let mut kept = pointer;
    while kept.len() > POINTER_MAX_BYTES {
        kept = &kept[..kept.rfind('/').unwrap_or_default()];
    }
    kept
}

fn depth(pointer: &str) -> usize {
    pointer.bytes().filter(|byte| *byte == b'/').count()
}

fn tags(before: Option<&Agent>, after: Option<&Agent>) -> Vec<String> {
    let of = |agent: Option<&Agent>| agent.map(|agent| agent.content.tags.clone()).unwrap_or_default();
    tags_of(of(before), of(after))
}

/// The tags on both sides of a change, each once.
pub(super) fn tags_of(before: Vec<String>, after: Vec<String>) -> Vec<String> {
    let mut tags = after;
    tags.extend(before);
    let mut seen = std::collections::HashSet::new();
    tags.retain(|tag| seen.insert(tag.clone()));
    tags
}

/// The values of a change as an audit row keeps them: those above a bound by their size alone, and
/// none beyond a number of them. 64 of at most 256 + 2 x 1,024 bytes fit in an item.
pub fn audit_values(differences: &[Difference]) -> Vec<super::AuditValue> {
    differences.iter().take(super::body::AUDIT_VALUES_MAX).map(super::AuditValue::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(pointer: &str) -> Difference {
        Difference { pointer: pointer.to_owned(), before: None, after: Some(Value::Null) }
    }

    #[test]
    fn many_pointers_become_their_parents() {
        let many: Vec<_> = (0..20).map(|index| difference(&format!("/metadata/{index:02}"))).collect();
        assert_eq!(pointers(&many), ["/metadata"]);
        assert_eq!(pointers(&many[..2]), ["/metadata/00", "/metadata/01"]);
    }

    #[test]
    fn a_long_pointer_becomes_its_parent() {
        assert_eq!(pointers(&[difference(&format!("/metadata/{}", "x".repeat(200)))]), ["/metadata"]);
    }
}
