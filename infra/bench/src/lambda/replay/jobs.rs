//! Jobs: dry runs are started and listed, and one that was run is read with its items.

use serde_json::{Value, json};

use super::rest::{self, Request};
use super::steps::{self, wait};
use super::{Event, Replay, check_none};
use crate::seed::Seeded;
use crate::services::Received;

/// Requests from one start to the next.
const TURNS: usize = 4;

#[derive(Debug)]
pub struct Jobs<'a> {
    seeded: &'a Seeded,
    turn: usize,
    /// A dry run that has come to its end.
    ended: String,
    /// The job that was started last.
    started: String,
}

impl<'a> Jobs<'a> {
    pub fn new(seeded: &'a Seeded) -> Result<Self, String> {
        let job = steps::start(seeded, a_dry_run(&json!({"filter": {}}), 0))?;
        wait(seeded.host.job_worker.handle(steps::plan(seeded, &job)?))?;
        wait(seeded.host.job_worker.handle(steps::run(seeded, &job)?))?;
        Ok(Self { seeded, turn: 0, ended: job.to_string(), started: String::new() })
    }
}

fn a_dry_run(selector: &Value, turn: usize) -> Value {
    let patch = json!({"description": format!("Changed by turn {turn}.")});
    json!({"kind": "update_agents", "selector": selector, "patch": patch, "dry_run": true})
}

impl Replay for Jobs<'_> {
    fn next(&mut self) -> Result<Event, String> {
        let of_all = Request { resource: "/v1/jobs", ..Request::default() };
        let (name, request) = match self.turn % TURNS {
            0 => ("POST /v1/jobs", {
                let body = Some(a_dry_run(&json!({"ids": self.seeded.agents}), self.turn));
                Request { method: "POST", body, ..of_all }
            }),
            1 => ("GET /v1/jobs/{job_id}", {
                Request { resource: "/v1/jobs/{job_id}", id: &self.started, ..of_all }
            }),
            2 => ("GET /v1/jobs/{job_id}/items", {
                let query = &[("limit", "100")];
                Request { resource: "/v1/jobs/{job_id}/items", id: &self.ended, query, ..of_all }
            }),
            _ => ("GET /v1/jobs", Request { query: &[("limit", "50")], ..of_all }),
        };
        Ok(Event { name, json: rest::event(&request, &self.seeded.caller, self.turn) })
    }

    fn heard(&mut self, answer: &Value) -> Result<(), String> {
        let document = rest::document(answer)?;
        match self.turn % TURNS {
            0 => document["id"].as_str().ok_or("no id")?.clone_into(&mut self.started),
            1 if document["state"] != "queued" => return Err("somebody runs it".to_owned()),
            2 if document["items"].as_array().map(Vec::len) != Some(self.seeded.agents.len()) => {
                return Err("not every item".to_owned());
            }
            _ => {}
        }
        self.turn += 1;
        Ok(())
    }

    fn check(&self, received: Received) -> Result<(), String> {
        check_none(received)
    }
}
