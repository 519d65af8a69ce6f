//! Importing: what a file says becomes records, and each record an agent, as the route for one agent would make
//! or change it.

use std::collections::HashMap;

use agent_management::agent::store::Found;
use agent_management::agent::{Agent, Creation, NewAgent, Request};
use agent_management::error::{Error, Result};
use agent_management::http::problem::Problem as Answer;
use agent_management::id::AgentId;
use agent_management::import;
use agent_management::job::import::{OnConflict, Record, text_of};
use agent_management::job::store::Items;
use agent_management::job::{CHUNK_MAX, Decision, Item, Job, Outcome, Problem, What};
use agent_management::usecase::change::admitted;
use serde_json::Value;

use crate::Of;
use crate::change::{Act, Work, failed};

/// The most bytes of JSON of a chunk's records: the database's bound is 400 KB.
const RECORDS_MAX_BYTES: usize = 250 * 1024;
/// The most bytes of one record; a larger one is no agent.
const RECORD_MAX_BYTES: usize = 370 * 1024;

/// The chunks of an import, and why there are none where there are none.
pub fn chunks(of: Of<'_>, what: &What, content: &Value) -> Result<Vec<Items>, Problem> {
    let What::Import { format, default_model, .. } = what else {
        return Ok(Vec::new());
    };
    let reading = import::read(*format, &text_of(content), default_model.as_deref()).map_err(|error| {
        let Answer { code, detail, errors, .. } = Answer::from(error);
        let errors = errors.iter().take(10).filter_map(|one| serde_json::to_value(one).ok()).collect();
        Problem { errors, ..Problem::new(code.as_str(), detail) }
    })?;
    let mut chunks = Vec::new();
    let (mut records, mut bytes) = (Vec::new(), 0);
    for (index, imported) in reading.agents.into_iter().enumerate() {
        let mut record = Record::new(of.tenant, of.id, *format, index, imported);
        if record.document.to_string().len() > RECORD_MAX_BYTES {
            record.document = Value::Null;
        }
        let size = record.document.to_string().len() + 150;
        if records.len() >= CHUNK_MAX || (bytes + size > RECORDS_MAX_BYTES && !records.is_empty()) {
            chunks.push(Items::Records(std::mem::take(&mut records)));
            bytes = 0;
        }
        bytes += size;
        records.push(record);
    }
    if !records.is_empty() {
        chunks.push(Items::Records(records));
    }
    Ok(chunks)
}

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
        let new = NewAgent::read(record.document.clone())?;
        let there = record.targets.iter().find_map(|id| match heads.get(id) {
            Some(Found::Live(stored)) => Some(stored),
            Some(Found::Deleted(..) | Found::Unreadable) | None => None,
        });
        let Some(stored) = there else {
            return self.made(record.made().clone(), new, creation);
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
                    _ => self.made(record.beside.clone(), NewAgent::read(document)?, creation),
                }
            }
        }
    }

    fn made(&self, id: AgentId, new: NewAgent, creation: Creation) -> Result<(Decision, Option<Act>)> {
        let agent = Agent::create(id.clone(), new, self.caller.user.clone(), self.now);
        let agent = admitted(&self.library.base, &self.caller, agent)?;
        if self.spec.dry_run {
            let item = Item { made: Some(id.to_string()), ..Item::new(Outcome::Changed) };
            return Ok((Decision::verdict(item), None));
        }
        Ok((Decision::Make { id }, Some(Act::Make { agent: Box::new(agent), creation })))
    }
}
