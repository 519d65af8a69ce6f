//! Agents: one is created, read, changed and published, the newest are listed, and some are searched for.

use serde_json::{Value, json};

use super::rest::{self, Request};
use super::{Event, Replay, check_none};
use crate::seed::{Seeded, an_agent};
use crate::services::Received;

/// Requests from one agent to the next.
const TURNS: usize = 6;

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
        let (name, request) = match self.turn % TURNS {
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
            3 => ("POST /v1/agents/{id}/publish", {
                let body = Some(json!({"title": format!("Turn {}", self.turn)}));
                Request { method: "POST", resource: "/v1/agents/{id}/publish", body, ..of_one }
            }),
            4 => ("POST /v1/agents/search", {
                let body = Some(json!({"filter": {"tag": "bench"}, "limit": 50}));
                Request { method: "POST", resource: "/v1/agents/search", body, ..of_all }
            }),
            _ => ("GET /v1/agents", Request { query: &[("limit", "50")], ..of_all }),
        };
        Ok(Event { name, json: rest::event(&request, self.caller, self.turn) })
    }

    fn heard(&mut self, answer: &Value) -> Result<(), String> {
        let document = rest::document(answer)?;
        if self.turn.is_multiple_of(TURNS) {
            document["id"].as_str().ok_or("no id")?.clone_into(&mut self.id);
        }
        self.turn += 1;
        Ok(())
    }

    fn check(&self, received: Received) -> Result<(), String> {
        check_none(received)
    }
}
