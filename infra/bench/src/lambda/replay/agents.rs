//! Agents: one is created, read and changed, and the newest are listed.

use serde_json::{Value, json};

use super::rest::{self, Request};
use super::{Event, Replay, check_none};
use crate::seed::{Seeded, an_agent};
use crate::services::Received;

#[derive(Debug)]
pub struct Agents<'a> {
    caller: &'a Value,
    turn: usize,
    /// The agent that was created last.
    id: String,
}

impl<'a> Agents<'a> {
    pub fn new(seeded: &'a Seeded) -> Self {
        Self { caller: &seeded.caller, turn: 0, id: String::new() }
    }
}

impl Replay for Agents<'_> {
    fn next(&mut self) -> Result<Event, String> {
        let of_one = Request { resource: "/v1/agents/{id}", id: &self.id, ..Request::default() };
        let of_all = Request { resource: "/v1/agents", ..Request::default() };
        let (name, request) = match self.turn % 4 {
            0 => {
                let body = Some(an_agent(&format!("agent {}", self.turn)));
                ("POST /v1/agents", Request { method: "POST", body, ..of_all })
            }
            1 => ("GET /v1/agents/{id}", of_one),
            2 => {
                let body = Some(json!({"description": format!("Changed in turn {}.", self.turn)}));
                let content_type = "application/merge-patch+json";
                ("PATCH /v1/agents/{id}", Request { method: "PATCH", content_type, body, ..of_one })
            }
            _ => ("GET /v1/agents", Request { query: &[("limit", "50")], ..of_all }),
        };
        Ok(Event { name, json: rest::event(&request, self.caller, self.turn) })
    }

    fn heard(&mut self, answer: &Value) -> Result<(), String> {
        let document = rest::document(answer)?;
        if self.turn.is_multiple_of(4) {
            document["id"].as_str().ok_or("no id")?.clone_into(&mut self.id);
        }
        self.turn += 1;
        Ok(())
    }

    fn check(&self, received: Received) -> Result<(), String> {
        check_none(received)
    }
}
