//! Events over REST: the log page by page, the audit of one agent after another, and tickets.

use serde_json::Value;

use super::rest::{self, Request};
use super::{Event, Replay, check_none};
use crate::seed::Seeded;
use crate::services::Received;

#[derive(Debug)]
pub struct Webhooks<'a> {
    seeded: &'a Seeded,
    turn: usize,
    /// Where the log goes on; none at its beginning.
    after: Option<String>,
}

impl<'a> Webhooks<'a> {
    pub fn new(seeded: &'a Seeded) -> Self {
        Self { seeded, turn: 0, after: None }
    }
}

impl Replay for Webhooks<'_> {
    fn next(&mut self) -> Result<Event, String> {
        let limit = (20 + self.turn % 31).to_string();
        let mut query = vec![("limit", limit.as_str())];
        let (name, request) = match self.turn % 3 {
            0 => {
                query.extend(self.after.as_deref().map(|after| ("after", after)));
                let resource = "/v1/events";
                ("GET /v1/events", Request { resource, query: &query, ..Request::default() })
            }
            1 => {
                let id = &self.seeded.agents[self.turn % self.seeded.agents.len()];
                let resource = "/v1/agents/{id}/audit";
                ("GET /v1/agents/{id}/audit", Request { resource, id, query: &query, ..Request::default() })
            }
            _ => {
                let resource = "/v1/ws-tickets";
                ("POST /v1/ws-tickets", Request { method: "POST", resource, ..Request::default() })
            }
        };
        Ok(Event { name, json: rest::event(&request, &self.seeded.caller, self.turn) })
    }

    fn heard(&mut self, answer: &Value) -> Result<(), String> {
        let document = rest::document(answer)?;
        let items = document["items"].as_array().map_or(0, Vec::len);
        match self.turn % 3 {
            0 if items == 0 && self.after.is_none() => return Err("no events".to_owned()),
            0 => self.after = document["next_cursor"].as_str().map(str::to_owned),
            1 if items == 0 => return Err("no audit".to_owned()),
            2 if !document["ticket"].is_string() => return Err("no ticket".to_owned()),
            _ => {}
        }
        self.turn += 1;
        Ok(())
    }

    fn check(&self, received: Received) -> Result<(), String> {
        check_none(received)
    }
}
