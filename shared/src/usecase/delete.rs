//! What keeps an agent from being deleted, and what goes with it.

use jiff::Timestamp;

use crate::agent::{Agent, live};
use crate::dynamo::Store;
use crate::error::{Error, Result};
use crate::id::TenantId;

use super::Base;
use super::dependents::refuse_dependents;

/// Passes where the agent may go. `is_forced` lets it go although others hand work to it.
///
/// # Errors
/// [`Error::Conflict`] where a policy asks another user; [`Error::Dependents`].
pub async fn refuse_guarded(base: &Base, tenant: &TenantId, agent: &Agent, is_forced: bool) -> Result<()> {
    // Or who recreates it under its key would be rid of the policy.
    if agent.aliases.values().any(|alias| !alias.policy.approve.is_empty()) {
        let detail = "An alias has a policy that asks another user; loosen that first, or archive the agent.";
        return Err(Error::Conflict(detail.to_owned()));
    }
    if is_forced { Ok(()) } else { refuse_dependents(base, tenant, &agent.id, None).await }
}

/// Takes the live copy of a deleted agent away. The agent is deleted whether or not this succeeds:
/// `stream-fanout` does it, too.
pub async fn bury_live(store: &Store, tenant: &TenantId, deleted: &Agent, now: Timestamp) {
    if deleted.aliases.is_empty() {
        return;
    }
    if let Err(error) = live::store::bury(store, tenant, &deleted.id, deleted.rev + 1, now).await {
        tracing::warn!(%error, "the live copy of a deleted agent waits for its removal");
    }
}
