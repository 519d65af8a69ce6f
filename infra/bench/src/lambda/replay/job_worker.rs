//! Steps of jobs: agents are changed, the change is taken back, and a dry run goes over all of them. Each job is
//! a new one of one chunk, planned by one event and run by the next.

use agent_management::id::JobId;
use agent_management::job::{Spec, State};
use serde_json::{Value, json};

use super::{Event, Replay, steps};
use crate::seed::Seeded;
use crate::services::Received;

/// Agents that a job changes.
const CHANGED: usize = 10;
/// Events of a job: it is planned, and run.
const STEPS: usize = 2;
/// Events from one change of agents to the next.
const TURNS: usize = 3 * STEPS;

#[derive(Debug)]
pub struct Steps<'a> {
    seeded: &'a Seeded,
    turn: usize,
    /// The job whose turn it is, and how many agents it is about.
    job: Option<(JobId, usize)>,
    /// Messages of chunks that were to be sent.
    released: u64,
}

impl<'a> Steps<'a> {
    pub fn new(seeded: &'a Seeded) -> Self {
        Self { seeded, turn: 0, job: None, released: 0 }
    }

    fn start(&self) -> Result<(&'static str, (JobId, usize)), String> {
        let description = json!({"description": format!("Changed by turn {}.", self.turn)});
        match (self.turn % TURNS / STEPS, &self.job) {
            (0, _) => {
                let from = self.turn / TURNS * CHANGED;
                let ids: Vec<_> = self.seeded.agents.iter().cycle().skip(from).take(CHANGED).collect();
                let said = json!({"kind": "update_agents", "selector": {"ids": ids}, "patch": description});
                Ok(("a change", (steps::start(self.seeded, said)?, CHANGED)))
            }
            (1, Some((changed, _))) => {
                let job = steps::insert(self.seeded, &Spec::reverting(changed, false))?;
                Ok(("a reversal", (job, CHANGED)))
            }
            (_, _) => {
                let said = json!({
                    "kind": "update_agents", "selector": {"filter": {}}, "patch": description, "dry_run": true,
                });
                Ok(("a dry run", (steps::start(self.seeded, said)?, self.seeded.agents.len())))
            }
        }
    }
}

impl Replay for Steps<'_> {
    fn next(&mut self) -> Result<Event, String> {
        if self.turn.is_multiple_of(STEPS) {
            let (name, job) = self.start()?;
            let json = steps::plan(self.seeded, &job.0)?.to_string();
            self.job = Some(job);
            return Ok(Event { name, json });
        }
        let (job, _) = self.job.as_ref().ok_or("no job")?;
        Ok(Event { name: "a chunk", json: steps::run(self.seeded, job)?.to_string() })
    }

    fn heard(&mut self, answer: &Value) -> Result<(), String> {
        if answer["batchItemFailures"] != json!([]) {
            return Err(answer.to_string());
        }
        let (id, agents) = self.job.as_ref().ok_or("no job")?;
        let job = steps::get(self.seeded, id)?;
        if self.turn.is_multiple_of(STEPS) {
            let plan = job.plan.ok_or("it was not planned")?;
            self.released += plan.begin().len() as u64;
        } else if (job.state, job.counts.changed) != (State::Succeeded, *agents as u64) {
            return Err(format!("it is {}: {:?}", job.state.as_str(), job.counts));
        }
        self.turn += 1;
        Ok(())
    }

    fn check(&self, received: Received) -> Result<(), String> {
        let Received { frames, messages } = received;
        if (frames, messages) == (0, self.released) {
            return Ok(());
        }
        Err(format!("{} chunks were released by {messages} messages, with {frames} frames", self.released))
    }
}
