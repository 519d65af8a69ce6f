//! Taking back what a job did: each agent that it changed and that nothing else has changed since is as it was
//! before, and of every other one it is said why it is not.

use std::collections::HashMap;

use agent_management::agent::Agent;
use agent_management::error::{Error, Result};
use agent_management::id::{AgentId, UserId};
use agent_management::job::store::{self, Chunk, Items};
use agent_management::job::{Decision, ItemSelection, Outcome, Spec, Undo};
use jiff::Timestamp;

use crate::{JobWorker, Of};

/// What a job did to the agents of a chunk: the `rev` that it left each at, and what takes it back.
#[derive(Debug, Default)]
pub struct Source {
    changes: HashMap<AgentId, (u64, Undo)>,
}

/// The agents of a chunk that its job changed.
pub fn changed(chunk: &Chunk) -> Vec<AgentId> {
    let (Items::Agents(ids), Some(outcomes)) = (&chunk.items, &chunk.outcomes) else {
        return Vec::new();
    };
    let changed = ids.iter().zip(outcomes).filter(|(_, item)| item.outcome == Outcome::Changed);
    changed.map(|(id, _)| id.clone()).collect()
}

impl JobWorker {
    /// What the chunk's agents are taken back to; nothing of a job that takes nothing back.
    pub(crate) async fn source(&self, of: Of<'_>, spec: &Spec, chunk: &Chunk) -> Result<Source> {
        let (ItemSelection::ChangedBy(parent), Some(number)) = (&spec.items, chunk.of) else {
            return Ok(Source::default());
        };
        let table = &self.library.base.store;
        let gone = || Error::internal("what a job did is forgotten");
        let job =
            store::get(table, of.tenant, parent, self.clock.now()).await.map_err(|error| match error {
                Error::NotFound(_) => gone(),
                other => other,
            })?;
        let plan = job.plan.as_ref().ok_or_else(gone)?;
        let (_, source) = store::get_with_chunk(table, of.tenant, parent, &plan.name, number).await?;
        let decisions = store::get_decisions(table, of.tenant, parent, &plan.name, number).await?;
        let (source, decisions) = source.zip(decisions).ok_or_else(gone)?;
        let (Items::Agents(ids), Some(outcomes)) = (source.items, source.outcomes) else {
            return Err(gone());
        };
        let mut changes = HashMap::new();
        for ((id, outcome), decision) in ids.into_iter().zip(outcomes).zip(decisions.items) {
            if let (Outcome::Changed, Some(rev), Decision::Move { undo, .. }) =
                (outcome.outcome, outcome.rev, decision)
            {
                changes.insert(id, (rev, undo));
            }
        }
        Ok(Source { changes })
    }
}

impl Source {
    /// The agent as it was before.
    ///
    /// # Errors
    /// [`Error::Conflict`] where something else has changed it since.
    pub fn taken_back(&self, agent: &Agent, user: &UserId, now: Timestamp) -> Result<Agent> {
        let (rev, undo) =
            self.changes.get(&agent.id).ok_or_else(|| Error::internal("what is taken back is not known"))?;
        if agent.rev != *rev {
            let detail = format!(
                "Something else changed it since: the job left it at rev {rev}, and it is at rev {}.",
                agent.rev
            );
            return Err(Error::Conflict(detail));
        }
        undo.of(agent, user, now)
    }
}
