//! Templates: the gallery is listed, one is rendered and made into an agent, which is then compared with it.

use agent_management::template::public::PublicTemplates;
use serde_json::{Value, json};

use super::rest::{self, Request};
use super::{Event, Replay, check_none};
use crate::seed::Seeded;
use crate::services::Received;

/// Requests from one agent to the next.
const TURNS: usize = 4;

#[derive(Debug)]
pub struct Templates<'a> {
    caller: &'a Value,
    turn: usize,
    template: String,
    /// The template's worked example.
    variables: Value,
    /// The agent that was made last.
    agent: String,
}

impl<'a> Templates<'a> {
    pub fn new(seeded: &'a Seeded) -> Result<Self, String> {
        let public = PublicTemplates::embedded().map_err(|error| error.to_string())?;
        let template = public.all().first().ok_or("no public template")?;
        let variables = Value::Object(template.latest().content.example.clone());
        let (template, agent) = (template.id.to_string(), String::new());
        Ok(Self { caller: &seeded.caller, turn: 0, template, variables, agent })
    }
}

impl Replay for Templates<'_> {
    fn next(&mut self) -> Result<Event, String> {
        let of_all = Request { resource: "/v1/templates", ..Request::default() };
        let post = Request { method: "POST", id: &self.template, ..Request::default() };
        let (name, request) = match self.turn % TURNS {
            0 => ("POST /v1/templates/{template_id}/instantiate", {
                let body = Some(json!({"variables": self.variables, "name": format!("made {}", self.turn)}));
                Request { resource: "/v1/templates/{template_id}/instantiate", body, ..post }
            }),
            1 => ("POST /v1/templates/{template_id}/drift", {
                let body = Some(json!({"agent_id": self.agent}));
                Request { resource: "/v1/templates/{template_id}/drift", body, ..post }
            }),
            2 => ("POST /v1/templates/{template_id}/render", {
                let body = Some(json!({"variables": self.variables}));
                Request { resource: "/v1/templates/{template_id}/render", body, ..post }
            }),
            _ => ("GET /v1/templates", Request { query: &[("limit", "50")], ..of_all }),
        };
        Ok(Event { name, json: rest::event(&request, self.caller, self.turn) })
    }

    fn heard(&mut self, answer: &Value) -> Result<(), String> {
        let document = rest::document(answer)?;
        if self.turn.is_multiple_of(TURNS) {
            document["id"].as_str().ok_or("no id")?.clone_into(&mut self.agent);
        }
        self.turn += 1;
        Ok(())
    }

    fn check(&self, received: Received) -> Result<(), String> {
        check_none(received)
    }
}
