//! What a job does with one agent: the same as the route for one agent would.

use agent_management::agent::change::{archived, patched, refuse_archived, replaced};
use agent_management::agent::store::{self, Found, Operation, Stored, Written};
use agent_management::agent::{Agent, Content, Creation, NewAgent};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Caller;
use agent_management::http::precondition::Precondition;
use agent_management::http::problem::Problem as Answer;
use agent_management::id::AgentId;
use agent_management::job::{
    Decision, Item, Job, Outcome, Problem, Spec, Undo, What, read_patch, upgrade_of,
};
use agent_management::patch;
use agent_management::template::drift::{self, Made};
use agent_management::usecase::change::{Attempt, admitted, told, write};
use agent_management::usecase::delete::{bury_live, refuse_guarded};
use agent_management::usecase::insert::{Inserted, insert};
use agent_management::usecase::library::Library;
use agent_management::usecase::restore::{Restored, restore};
use jiff::Timestamp;
use serde_json::json;

use crate::import::Links;
use crate::revert::Source;

/// How many entries of a problem's `errors` are kept, and how many bytes each may have.
const ERRORS_MAX: usize = 10;
const ERROR_MAX_BYTES: usize = 1_024;

/// What is done with a chunk's agents, and for whom.
pub struct Work<'a> {
    pub library: &'a Library,
    pub caller: Caller,
    pub spec: &'a Spec,
    pub job: &'a Job,
    /// What is taken back, of a job that does.
    pub source: &'a Source,
    /// What templates are called here, of a job that imports.
    pub links: &'a Links,
    pub now: Timestamp,
}

/// A change that is decided.
pub enum Act {
    Write { stored: Box<Stored>, after: Box<Agent> },
    Delete { stored: Box<Stored> },
    Make { agent: Box<Agent>, creation: Creation },
    Restore { restored: Box<Restored>, creation: Creation },
}

/// What is to become of an agent.
enum Wanted {
    Nothing,
    After(Box<Agent>),
    Deleted,
}

impl Work<'_> {
    /// What is done with an agent as it stands.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn decide(&self, id: &AgentId, head: Option<&Found>) -> Result<(Decision, Option<Act>)> {
        let stored = match head {
            Some(Found::Live(stored)) => stored,
            Some(Found::Unreadable) => {
                let problem = Problem::new("internal", "The stored agent cannot be read.");
                return Ok((Decision::verdict(Item::failed(Outcome::Error, problem)), None));
            }
            Some(Found::Deleted(..)) | None => {
                return Ok((Decision::verdict(failed(Error::NotFound("agent"))?), None));
            }
        };
        match self.wanted(id, stored).await {
            Ok(wanted) => self.decided(stored, wanted),
            Err(error) => Ok((Decision::verdict(failed(error)?), None)),
        }
    }

    fn decided(&self, stored: &Stored, wanted: Wanted) -> Result<(Decision, Option<Act>)> {
        let agent = &stored.agent;
        let from = agent.rev;
        let undo = match &wanted {
            Wanted::Nothing => return Ok((Decision::verdict(Item::new(Outcome::Unchanged)), None)),
            Wanted::After(after) => Undo::between(agent, after)?,
            Wanted::Deleted => Undo::default(),
        };
        if self.spec.dry_run {
            let patch = match &wanted {
                Wanted::After(after) if after.content != agent.content => {
                    Some(difference(&agent.content, &after.content)?)
                }
                Wanted::After(_) | Wanted::Nothing | Wanted::Deleted => None,
            };
            return Ok((Decision::Verdict { item: Item::new(Outcome::Changed), patch }, None));
        }
        let stored = Box::new(stored.clone());
        let act = match wanted {
            Wanted::After(after) => Act::Write { stored, after },
            Wanted::Deleted | Wanted::Nothing => Act::Delete { stored },
        };
        Ok((Decision::Move { from, undo, id: None }, Some(act)))
    }

    /// An agent that is to have this content.
    ///
    /// # Errors
    /// [`Error::Conflict`] for an archived one; [`Error::Entitlement`].
    pub fn overwritten(&self, stored: &Stored, new: &NewAgent) -> Result<(Decision, Option<Act>)> {
        let agent = &stored.agent;
        let Some(content) = replaced(agent, &new.content)? else {
            return self.decided(stored, Wanted::Nothing);
        };
        let after = agent.with_content(content, &self.caller.user, self.now);
        let after = admitted(&self.library.base, &self.caller, after)?;
        self.decided(stored, Wanted::After(Box::new(after)))
    }

    async fn wanted(&self, id: &AgentId, stored: &Stored) -> Result<Wanted> {
        let agent = &stored.agent;
        let user = &self.caller.user;
        let base = &self.library.base;
        let after = match &self.spec.what {
            What::Update { patch } => {
                let Some(content) = patched(agent, &read_patch(patch)?)? else {
                    return Ok(Wanted::Nothing);
                };
                admitted(base, &self.caller, agent.with_content(content, user, self.now))?
            }
            What::Archive => match archived(agent, user, self.now) {
                None => return Ok(Wanted::Nothing),
                Some(status) => agent.with_status(status, user, self.now),
            },
            What::Delete { force } => {
                refuse_guarded(base, &self.caller.tenant, agent, *force).await?;
                return Ok(Wanted::Deleted);
            }
            What::Upgrade { template, version, take, variables } => {
                refuse_archived(agent)?;
                let stands = self.library.stands(&self.caller.tenant, template, agent, *version).await?;
                let made = Made { content: &agent.content, link: &stands.link };
                let said = upgrade_of(id, *version, *take, variables);
                let upgraded = drift::upgrade(made, stands.between(), &said)?;
                let undecided = upgraded.undecided();
                if !undecided.is_empty() {
                    return Err(Error::MergeConflict(undecided));
                }
                if agent.content == upgraded.content && agent.template.as_ref() == Some(&upgraded.link) {
                    return Ok(Wanted::Nothing);
                }
                let after = agent.with_content(upgraded.content, user, self.now);
                admitted(base, &self.caller, Agent { template: Some(upgraded.link), ..after })?
            }
            What::Revert => {
                let after = self.source.taken_back(agent, user, self.now)?;
                if after.content == agent.content {
                    told(base, after)
                } else {
                    admitted(base, &self.caller, after)?
                }
            }
            What::Import { .. } | What::Export { .. } | What::RebuildIndex => {
                return Err(Error::internal("a job that changes no agent was to change one"));
            }
        };
        Ok(Wanted::After(Box::new(after)))
    }

    /// Does what is decided. The `rev` that it led to; none if something else is there or the tenant is entitled
    /// to something else meanwhile.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`] where the agent has moved on; [`Error::Entitlement`].
    pub async fn act(&self, act: Act, operation: Operation) -> Result<Option<u64>> {
        let (base, tenant) = (&self.library.base, &self.caller.tenant);
        match act {
            Act::Make { agent, creation } => match insert(base, &self.caller, *agent, creation).await? {
                Inserted::Created(agent) | Inserted::Replayed(agent) => Ok(Some(agent.rev)),
                Inserted::Taken => Ok(None),
            },
            Act::Restore { restored, creation } => {
                match restore(base, &self.caller, *restored, creation, self.now).await? {
                    Inserted::Created(agent) | Inserted::Replayed(agent) => Ok(Some(agent.rev)),
                    Inserted::Taken => Ok(None),
                }
            }
            Act::Write { stored, after } => {
                let precondition = Precondition::Revs(vec![stored.agent.rev]);
                let attempt = Attempt { number: 0, operation, precondition: &precondition };
                let mut entitlements = self.caller.entitlements.clone();
                let written = write(base, &self.caller, &stored, &after, attempt, &mut entitlements).await?;
                // One that has gone on since says nothing of where this change led to.
                Ok(written.filter(|now| now.rev == after.rev).map(|now| now.rev))
            }
            Act::Delete { stored } => {
                let user = &self.caller.user;
                match store::delete(&base.store, tenant, &stored, operation, user, self.now).await? {
                    Written::Done | Written::Landed(_) => {
                        bury_live(&base.store, tenant, &stored.agent, self.now).await;
                        Ok(Some(stored.agent.rev + 1))
                    }
                    Written::Stale => Err(Error::PreconditionFailed),
                    Written::Refused(_) => Err(Error::internal("an agent was deleted that was not counted")),
                }
            }
        }
    }
}

fn difference(before: &Content, after: &Content) -> Result<serde_json::Value> {
    serde_json::to_value(patch::between(before, after)?).map_err(|_| Error::internal("a patch is no JSON"))
}

/// What an error makes of an item: what a request for it alone would be answered.
///
/// # Errors
/// [`Error::Unavailable`], which says nothing about the item.
pub fn failed(error: Error) -> Result<Item> {
    let outcome = match &error {
        Error::Unavailable(_) => return Err(error),
        Error::NotFound(_) | Error::Deleted => Outcome::Missing,
        Error::Invalid(_) | Error::Entitlement(_) | Error::PolicyRefused(_) | Error::TooLarge { .. } => {
            Outcome::Refused
        }
        Error::Conflict(_)
        | Error::MergeConflict(_)
        | Error::Dependents(_)
        | Error::KeyTaken
        | Error::Unpublished
        | Error::PreconditionFailed => Outcome::Conflict,
        _ => {
            tracing::error!(%error, "an item of a job failed");
            Outcome::Error
        }
    };
    let answer = Answer::from(error);
    let errors = answer.errors.iter().take(ERRORS_MAX).filter_map(|one| {
        let whole = serde_json::to_value(one).ok()?;
        let is_short = whole.to_string().len() <= ERROR_MAX_BYTES;
        // What is left of a long one is where and what, without its fix.
        let pointer: String = one.pointer.chars().take(ERROR_MAX_BYTES / 4).collect();
        Some(if is_short {
            whole
        } else {
            json!({"pointer": pointer, "code": one.code, "detail": one.detail})
        })
    });
    let problem = Problem { errors: errors.collect(), ..Problem::new(answer.code.as_str(), answer.detail) };
    Ok(Item::failed(outcome, problem))
}
