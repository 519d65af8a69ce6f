//! Changes of what is no agent: approvals, which are asked for and decided; templates; jobs; and a tenant's
//! entitlements, of which only what their owner should know of is an event.

use super::change::{Change, Resource, documents, pointers, tags_of};
use super::{Event, EventType};
use crate::agent::Stamp;
use crate::approval::{Approval, Decision};
use crate::diff::differences;
use crate::entitlement::{EntitledView, UsageView, crossed};
use crate::error::Result;
use crate::id::TemplateId;
use crate::job::{Job, State};
use crate::template::{TemplateHead, TemplateView};
use crate::tenant::{Counted, Tenant};
use crate::tier::Tiers;

/// What events of a tenant's record are about.
const ENTITLEMENTS: &str = "entitlements";

/// The change from one image of an approval to the next; none if they are the same `rev`.
pub fn of_approval(before: Option<&Approval>, after: Approval) -> Option<Change> {
    if before.is_some_and(|before| before.rev >= after.rev) {
        return None;
    }
    let (kind, by) = match &after.decision {
        Decision::Pending => (EventType::ApprovalRequested, &after.requested),
        Decision::Accepted(by) => (EventType::ApprovalAccepted, by),
        Decision::Rejected { by, .. } => (EventType::ApprovalRejected, by),
    };
    let event = event(after.id.to_string(), after.rev, kind, by);
    Some(Change::of(event, Some(Resource::Approval(Box::new(after)))))
}

/// The change from one image of a template's head to the next; none if they are the same `rev`.
///
/// # Errors
/// [`crate::error::Error::Internal`] if a template has no form as JSON.
pub fn of_template(
    id: &TemplateId,
    before: Option<&TemplateHead>,
    after: &TemplateHead,
) -> Result<Option<Change>> {
    if before.is_some_and(|before| before.rev() >= after.rev()) {
        return Ok(None);
    }
    let live_before = before.and_then(TemplateHead::template);
    let (kind, by) = match (live_before, after) {
        (_, TemplateHead::Deleted(tombstone)) => {
            (EventType::TemplateDeleted, Stamp { at: tombstone.at, by: tombstone.by.clone() })
        }
        (None, TemplateHead::Live(after)) => (EventType::TemplateCreated, after.updated.clone()),
        (Some(before), TemplateHead::Live(after)) if before.published != after.published => {
            (EventType::TemplatePublished, after.updated.clone())
        }
        (Some(_), TemplateHead::Live(after)) => (EventType::TemplateUpdated, after.updated.clone()),
    };
    let differences = match (live_before, after.template()) {
        (Some(before), Some(after)) => {
            let (before, after) = documents(&TemplateView::private(before), &TemplateView::private(after))?;
            differences(&before, &after)
        }
        (_, _) => Vec::new(),
    };
    let tags = |template: Option<&crate::template::Template>| {
        template.map(|template| template.content.tags.clone()).unwrap_or_default()
    };
    let event = Event {
        changed: pointers(&differences),
        tags: tags_of(tags(live_before), tags(after.template())),
        ..event(id.to_string(), after.rev(), kind, &by)
    };
    let after = after.template().cloned().map(|template| Resource::Template(Box::new(template)));
    Ok(Some(Change { differences, ..Change::of(event, after) }))
}

/// What a change of a tenant's record is to its owner: another tier or other limits, or that a limit comes
/// near. None of anything else, of which there is much: the record counts.
pub fn of_tenant(before: Option<&Tenant>, after: &Tenant, tiers: &Tiers) -> Option<Change> {
    let before = before.cloned().unwrap_or_default();
    let (at, by) = after.updated.clone().filter(|_| before.rev < after.rev)?;
    let entitlements = after.entitlements.clone().unwrap_or_else(|| tiers.default_entitlements());
    let limits = tiers.limits(&entitlements);
    let was = before.entitlements.clone().unwrap_or_else(|| tiers.default_entitlements());
    let mut others = Vec::new();
    if was.tier != entitlements.tier {
        others.push("/tier".to_owned());
    }
    if was.overrides != entitlements.overrides {
        others.push("/overrides".to_owned());
    }
    let (kind, changed) = if others.is_empty() {
        let changed = match crossed(&before, after, &limits)? {
            Counted::Agents => "/usage/agents",
            Counted::Templates => "/usage/private_templates",
        };
        (EventType::EntitlementsWarning, vec![changed.to_owned()])
    } else {
        (EventType::EntitlementsChanged, others)
    };
    let view = EntitledView {
        id: ENTITLEMENTS,
        rev: after.rev,
        tier: limits.tier().name.clone(),
        usage: UsageView::new(after, &limits),
        overrides: entitlements.overrides,
    };
    let event = Event { changed, ..event(ENTITLEMENTS.to_owned(), after.rev, kind, &Stamp { at, by }) };
    Some(Change::of(event, Some(Resource::Entitlements(Box::new(view)))))
}

/// The change from one image of a job's head to the next; none if they are the same `rev`.
pub fn of_job(before: Option<&Job>, after: Job) -> Option<Change> {
    if before.is_some_and(|before| before.rev >= after.rev) {
        return None;
    }
    let is_new_state = before.is_some_and(|before| before.state != after.state);
    let kind = match (before, after.state) {
        (None, _) => EventType::JobCreated,
        (Some(_), State::Succeeded) => EventType::JobFinished,
        (Some(_), State::Failed) if is_new_state => EventType::JobFailed,
        (Some(_), State::Cancelled) if is_new_state => EventType::JobCancelled,
        (Some(_), _) => EventType::JobProgressed,
    };
    let mut changed = Vec::new();
    if let Some(before) = before {
        let differs = [
            ("/state", is_new_state),
            ("/total", before.total() != after.total()),
            ("/done", before.counts.done() != after.counts.done()),
            ("/failed", before.counts.failed() != after.counts.failed()),
            ("/file", before.file != after.file),
            ("/cancel_requested", before.cancelled.is_some() != after.cancelled.is_some()),
        ];
        changed.extend(differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()));
    }
    let event = Event { changed, ..event(after.id.to_string(), after.rev, kind, &after.updated) };
    Some(Change::of(event, Some(Resource::Job(Box::new(after)))))
}

fn event(entity: String, rev: u64, kind: EventType, by: &Stamp) -> Event {
    let (changed, tags) = (Vec::new(), Vec::new());
    Event { entity, rev, kind, at: by.at, actor: by.by.clone(), changed, tags }
}
