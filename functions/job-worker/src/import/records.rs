//! Agents of a file: each is made, or meets one that is there, as the route for one agent would make or change it.

use std::collections::HashMap;

use agent_management::agent::store::Found;
use agent_management::agent::{Agent, Creation, NewAgent, Request};
use agent_management::error::{Error, Result};
use agent_management::id::AgentId;
use agent_management::job::import::{OnConflict, Record};
use agent_management::job::{Decision, Item, Job, Outcome, Problem, What};
use agent_management::template::TemplateLink;
use agent_management::usecase::change::admitted;
use agent_management::usecase::restore::{Published, restored};

use super::refuse_oversized;
use super::template::{link_of, refuse_large_link};
use crate::change::{Act, Work, failed};

/// Every agent that records may meet.
pub fn targets(records: &[Record]) -> Vec<AgentId> {
    let mut all: Vec<AgentId> =
        records.iter().flat_map(|record| record.targets.iter().chain([&record.beside])).cloned().collect();
    all.sort();
    all.dedup();
    all
}

impl Work<'_> {
    /// The request that makes a record's agent, however often its chunk runs.
    pub fn creation(&self, job: &Job, index: usize, record: &Record) -> Creation {
        let key = format!("{} {} {index}", job.id, record.made());
        let said = record.document.to_string();
        let request = Request { route: "job", idempotency_key: Some(&key), said: &said };
        Creation::new(&self.caller.user, &request, self.now).of_job()
    }

    /// What is done with a record.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn decide_record(
        &self,
        record: &Record,
        creation: Creation,
        heads: &HashMap<AgentId, Found>,
    ) -> Result<(Decision, Option<Act>)> {
        match self.try_decide_record(record, creation, heads) {
            Ok(decided) => Ok(decided),
            Err(error) => Ok((Decision::verdict(failed(error)?), None)),
        }
    }

    fn try_decide_record(
        &self,
        record: &Record,
        creation: Creation,
        heads: &HashMap<AgentId, Found>,
    ) -> Result<(Decision, Option<Act>)> {
        let What::Import { on_conflict, .. } = &self.spec.what else {
            return Err(Error::internal("a record in a job that imports nothing"));
        };
        refuse_oversized(&record.document)?;
        refuse_large_link(record)?;
        let new = NewAgent::read(record.document.clone())?;
        let there = record.targets.iter().find_map(|id| match heads.get(id) {
            Some(Found::Live(stored)) => Some(stored),
            Some(Found::Deleted(..) | Found::Unreadable) | None => None,
        });
        let Some(stored) = there else {
            return self.made(record.made().clone(), new, record, creation, heads);
        };
        let id = &stored.agent.id;
        let exists = |outcome| {
            let problem = Problem::new("exists", format!("It is there already, as {id}."));
            let item = Item { made: Some(id.to_string()), ..Item::failed(outcome, problem) };
            Ok((Decision::verdict(item), None))
        };
        match on_conflict {
            OnConflict::Fail => exists(Outcome::Conflict),
            OnConflict::Skip => exists(Outcome::Skipped),
            OnConflict::Overwrite => {
                let (mut decision, act) = self.overwritten(stored, &new)?;
                match &mut decision {
                    Decision::Move { id: named, .. } => *named = Some(id.clone()),
                    Decision::Verdict { item, .. } => item.made = Some(id.to_string()),
                    Decision::Make { .. } => {}
                }
                Ok((decision, act))
            }
            OnConflict::Rename => {
                let mut document = record.document.clone();
                if let Some(members) = document.as_object_mut() {
                    members.remove("key");
                    let name = format!("{} (imported)", new.content.name);
                    members.insert("name".to_owned(), name.chars().take(200).collect::<String>().into());
                }
                match heads.get(&record.beside) {
                    Some(Found::Live(_)) => Err(Error::Conflict("It was made beside it before.".to_owned())),
                    _ => {
                        let new = NewAgent::read(document)?;
                        self.made(record.beside.clone(), new, record, creation, heads)
                    }
                }
            }
        }
    }

    fn made(
        &self,
        id: AgentId,
        new: NewAgent,
        record: &Record,
        creation: Creation,
        heads: &HashMap<AgentId, Found>,
    ) -> Result<(Decision, Option<Act>)> {
        let mut agent = Agent::create(id.clone(), new, self.caller.user.clone(), self.now);
        agent.template = link_of(record).and_then(|link| {
            let here = self.links.get(&(link.id.clone(), link.version))?;
            Some(TemplateLink { id: here.clone(), ..link })
        });
        let base = &self.library.base;
        let agent = admitted(base, &self.caller, agent)?;
        let restored = if record.with.versions.is_empty() {
            None
        } else {
            let over = match heads.get(&id) {
                Some(Found::Deleted(tombstone, _)) => Some(tombstone.rev),
                Some(Found::Live(_) | Found::Unreadable) | None => None,
            };
            let published = Published { stamp: &self.job.created, by: creation };
            let entitlements = &self.caller.entitlements;
            Some(restored(base, entitlements, agent.clone(), &record.with, published, over)?)
        };
        if self.spec.dry_run {
            let item = Item { made: Some(id.to_string()), ..Item::new(Outcome::Changed) };
            return Ok((Decision::verdict(item), None));
        }
        let act = match restored {
            Some(restored) => Act::Restore { restored: Box::new(restored), creation },
            None => Act::Make { agent: Box::new(agent), creation },
        };
        Ok((Decision::Make { id }, Some(act)))
    }
}
