//! What follows from a change of a head beside its event: the live copy is brought up to it where whoever
//! made the change could not, snapshots that are no versions any more are removed, and a job is handed to its
//! queue. All of it may be done
//! again, and late.

use std::collections::BTreeMap;

use agent_management::agent::live::{self, Live};
use agent_management::agent::{Agent, Head, version};
use agent_management::error::Result;
use agent_management::id::{AgentId, JobId, TenantId};
use agent_management::job::message::{Message, Step};
use agent_management::template::{self, Template, TemplateHead};

use crate::StreamFanout;

/// A change of a head that something follows from.
#[derive(Debug)]
pub enum Upkeep {
    Agent {
        id: AgentId,
        before: Box<Agent>,
        after: Head,
    },
    /// A template is deleted: its versions go, too.
    TemplateDeleted(Box<Template>),
    /// A job is to be planned.
    JobCreated(JobId),
}

impl Upkeep {
    /// The change of a template, if something follows from it.
    pub fn of_template(before: Option<&TemplateHead>, after: &TemplateHead) -> Option<Self> {
        let before = before.and_then(TemplateHead::template)?;
        after.template().is_none().then(|| Self::TemplateDeleted(Box::new(before.clone())))
    }

    /// The change of an agent, if something follows from it.
    pub fn of_agent(id: &AgentId, before: Option<&Head>, after: &Head) -> Option<Self> {
        let before = before.and_then(Head::agent)?;
        let is_needed = match after {
            // Of an agent without versions, too, a publication may have left its snapshot.
            Head::Deleted(_) => true,
            Head::Live(after) => live::differs(before, after) || before.versions != after.versions,
        };
        is_needed.then(|| Self::Agent {
            id: id.clone(),
            before: Box::new(before.clone()),
            after: after.clone(),
        })
    }
}

impl StreamFanout {
    /// Does what follows from a change of a head.
    ///
    /// # Errors
    /// As the database's.
    pub(crate) async fn keep_up(&self, tenant: &TenantId, upkeep: &Upkeep) -> Result<()> {
        let (id, before, after) = match upkeep {
            Upkeep::Agent { id, before, after } => (id, before, after),
            Upkeep::TemplateDeleted(template) => {
                return template::store::delete_versions(&self.base.store, tenant, template).await;
            }
            Upkeep::JobCreated(id) => {
                let message = Message::new(tenant, id, Step::Plan);
                return self.queues.jobs.send_of_group(tenant.as_str(), &[message]).await;
            }
        };
        match after {
            Head::Live(after) => {
                self.repair_live(tenant, after).await?;
                self.remove_snapshots(tenant, before, after).await
            }
            Head::Deleted(tombstone) => {
                if !before.aliases.is_empty() {
                    live::store::bury(&self.base.store, tenant, id, tombstone.rev, tombstone.at).await?;
                }
                let mut numbers: Vec<u64> = before.versions.newest_first().collect();
                numbers.extend(self.uncommitted(tenant, before, tombstone.rev).await?);
                version::store::delete(&self.base.store, tenant, id, &numbers).await
            }
        }
    }

    /// Writes the live copy, if it is older than the head.
    pub(crate) async fn repair_live(&self, tenant: &TenantId, agent: &Agent) -> Result<()> {
        let Some(number) = live::needs(agent) else {
            return Ok(());
        };
        let rev = live::store::rev(&self.base.store, tenant, &agent.id).await?;
        if rev.is_some_and(|rev| rev >= agent.rev) {
            return Ok(());
        }
        // A version that is gone belongs to a head that is no longer the newest.
        let version = version::store::find(&self.base.store, tenant, &agent.id, number).await?;
        let contents: BTreeMap<_, _> =
            version.into_iter().map(|version| (version.number, version.content)).collect();
        match Live::of(agent, &contents) {
            Some(live) => live::store::put(&self.base.store, tenant, &agent.id, &live).await,
            None => Ok(()),
        }
    }

    /// Removes the snapshots that a publication left behind: those that it dropped for their age, and those
    /// since the one before that nobody committed.
    async fn remove_snapshots(&self, tenant: &TenantId, before: &Agent, after: &Agent) -> Result<()> {
        let mut numbers = before.versions.without(&after.versions);
        if let Some(published) = after.published_version().filter(|_| before.published != after.published) {
            numbers.extend(self.uncommitted(tenant, before, published).await?);
        }
        if numbers.is_empty() {
            return Ok(());
        }
        version::store::delete(&self.base.store, tenant, &after.id, &numbers).await
    }

    /// Snapshots after the agent's last version and before `end`: the head has moved past them, so nobody
    /// will ever commit one.
    async fn uncommitted(&self, tenant: &TenantId, agent: &Agent, end: u64) -> Result<Vec<u64>> {
        let last = agent.published_version().unwrap_or(0);
        version::store::numbers_between(&self.base.store, tenant, &agent.id, last, end).await
    }
}
