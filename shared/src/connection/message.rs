//! What clients say on a socket, read strictly.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::event::{EventType, Filter};
use crate::id::AgentId;
use crate::json;
use crate::violation::Violation;

/// The most subscriptions of a connection.
pub const SUBSCRIPTIONS_MAX: usize = 10;
/// The most entries of each list of a filter.
const FILTER_ENTRIES_MAX: usize = 32;
/// A subscription id's greatest length in bytes.
const ID_MAX_BYTES: usize = 64;
/// A tag's greatest length in bytes: 64 characters.
const TAG_MAX_BYTES: usize = 256;
/// A message's greatest length in bytes that is read at all.
const MESSAGE_MAX_BYTES: usize = 32 * 1024;

/// A message from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Subscribe(Subscribe),
    Unsubscribe { id: String },
    Ping,
}

/// `{"action":"subscribe","id","filter","after"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    pub id: String,
    pub filter: Filter,
    /// Absent: from now on.
    pub after: Option<String>,
}

/// Why a message is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub code: &'static str,
    /// The subscription that the message named.
    pub id: Option<String>,
    pub detail: String,
    pub errors: Vec<Violation>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscribeDocument {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<FilterDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnsubscribeDocument {
    id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PingDocument {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    types: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent_ids: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<String>>,
}

impl Message {
    /// Reads a message's text.
    ///
    /// # Errors
    /// The [`Refusal`], which the client is told.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        if text.len() > MESSAGE_MAX_BYTES {
            return Err(Refusal::new("too_large", "A message may have 32 KiB."));
        }
        let mut value = json::parse(text.as_bytes()).map_err(|error| refusal(error, None))?;
        let named = value.get("id").and_then(Value::as_str).filter(|id| is_id(id)).map(str::to_owned);
        let action = value.as_object_mut().and_then(|members| members.remove("action"));
        let wrong_shape = |error| refusal(error, named.clone());
        let mut found = Vec::new();
        let message = match action.as_ref().and_then(Value::as_str) {
            Some("ping") => {
                json::read::<PingDocument>(value).map_err(wrong_shape)?;
                Self::Ping
            }
            Some("unsubscribe") => {
                let UnsubscribeDocument { id } = json::read(value).map_err(wrong_shape)?;
                check_id(&id, &mut found);
                Self::Unsubscribe { id }
            }
            Some("subscribe") => {
                let SubscribeDocument { id, filter, after } = json::read(value).map_err(wrong_shape)?;
                check_id(&id, &mut found);
                let filter = filter.map(|filter| filter.check(&mut found)).unwrap_or_default();
                Self::Subscribe(Subscribe { id, filter, after })
            }
            Some(_) | None => {
                let detail = "`action` is one of subscribe, unsubscribe and ping.";
                return Err(Refusal { id: named, ..Refusal::new("unknown_action", detail) });
            }
        };
        if found.is_empty() { Ok(message) } else { Err(refusal(Error::Invalid(found), named)) }
    }
}

impl FilterDocument {
    fn check(self, found: &mut Vec<Violation>) -> Filter {
        let lists = [("types", &self.types), ("agent_ids", &self.agent_ids), ("tags", &self.tags)];
        for (name, list) in lists {
            if list.as_ref().is_some_and(|list| list.len() > FILTER_ENTRIES_MAX) {
                let detail = format!("may have {FILTER_ENTRIES_MAX} entries");
                found.push(Violation::new(format!("/filter/{name}"), "too_many", detail));
                return Filter::default();
            }
        }
        let mut types: Vec<EventType> = Vec::new();
        for (index, name) in self.types.unwrap_or_default().iter().enumerate() {
            match name.parse() {
                Ok(kind) => types.push(kind),
                Err(_) => found.push(Violation::new(
                    format!("/filter/types/{index}"),
                    "unknown_type",
                    format!("is not one of {}", EventType::NAMES.join(", ")),
                )),
            }
        }
        let agent_ids = self.agent_ids.unwrap_or_default();
        for (index, id) in agent_ids.iter().enumerate() {
            if id.parse::<AgentId>().is_err() {
                let pointer = format!("/filter/agent_ids/{index}");
                found.push(Violation::new(pointer, "invalid", "is no agent's id"));
            }
        }
        let tags = self.tags.unwrap_or_default();
        for (index, _) in tags.iter().enumerate().filter(|(_, tag)| tag.len() > TAG_MAX_BYTES) {
            found.push(Violation::new(format!("/filter/tags/{index}"), "too_long", "may have 64 characters"));
        }
        Filter { types, agent_ids, tags }
    }
}

fn is_id(id: &str) -> bool {
    (1..=ID_MAX_BYTES).contains(&id.len())
}

fn check_id(id: &str, found: &mut Vec<Violation>) {
    if !is_id(id) {
        found.push(Violation::new("/id", "invalid", format!("must have 1 to {ID_MAX_BYTES} bytes")));
    }
}

impl Refusal {
    pub fn new(code: &'static str, detail: &str) -> Self {
        Self { code, id: None, detail: detail.to_owned(), errors: Vec::new() }
    }
}

fn refusal(error: Error, id: Option<String>) -> Refusal {
    let refusal = match error {
        Error::Invalid(errors) => {
            Refusal { errors, ..Refusal::new("invalid_message", "The message has the wrong shape.") }
        }
        Error::Malformed(detail) => Refusal::new("malformed_message", &detail),
        _ => Refusal::new("malformed_message", "The message is not one JSON document."),
    };
    Refusal { id, ..refusal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read() {
        assert_eq!(Message::read(r#"{"action":"ping"}"#), Ok(Message::Ping));
        let Ok(Message::Subscribe(subscribe)) =
            Message::read(r#"{"action":"subscribe","id":"a","filter":{"types":["agent.created"]}}"#)
        else {
            panic!("no subscription");
        };
        assert_eq!(subscribe.filter.types, [EventType::AgentCreated]);
        assert_eq!(subscribe.after, None);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let many = format!(r#"{{"action":"subscribe","id":"a","filter":{{"tags":{:?}}}}}"#, vec!["t"; 33]);
        let long = format!(r#"{{"action":"ping","x":"{}"}}"#, "x".repeat(40_000));
        for (text, code, pointer) in [
            ("", "malformed_message", ""),
            ("{", "malformed_message", ""),
            ("[]", "unknown_action", ""),
            (r#"{"action":"dance"}"#, "unknown_action", ""),
            (r#"{"action":"ping","action":"ping"}"#, "malformed_message", ""),
            (r#"{"action":"ping","robot":1}"#, "invalid_message", "/robot"),
            (r#"{"action":"subscribe"}"#, "invalid_message", "/id"),
            (r#"{"action":"subscribe","id":""}"#, "invalid_message", "/id"),
            (r#"{"action":"subscribe","id":1}"#, "invalid_message", "/id"),
            (
                r#"{"action":"subscribe","id":"a","filter":{"types":["x"]}}"#,
                "invalid_message",
                "/filter/types/0",
            ),
            (
                r#"{"action":"subscribe","id":"a","filter":{"agent_ids":["x"]}}"#,
                "invalid_message",
                "/filter/agent_ids/0",
            ),
            (&many, "invalid_message", "/filter/tags"),
            (&long, "too_large", ""),
        ] {
            let refusal = Message::read(text).expect_err(text);
            assert_eq!(refusal.code, code, "{text}: {refusal:?}");
            let first = refusal.errors.first().map_or("", |violation| violation.pointer.as_str());
            assert_eq!(first, pointer, "{text}: {refusal:?}");
        }
    }
}
