//! What the service says on a socket.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::event::EventBody;
use crate::violation::Violation;

/// A message to a client.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame<'a> {
    /// The subscription stands; its events are those after `cursor`.
    Subscribed { id: &'a str, cursor: String },
    /// The subscription has ended.
    Unsubscribed { id: &'a str },
    /// An event. To subscribe `after` this `cursor` is to miss nothing.
    Event {
        id: &'a str,
        cursor: String,
        #[schemars(with = "EventBody")]
        event: &'a RawValue,
    },
    /// The subscription has come as far as `cursor`, without `skipped` events that it asked for.
    Bookmark { id: &'a str, cursor: String, skipped: u64 },
    /// An event did not arrive, and the subscription has ended: subscribe again after `cursor`.
    Gap { id: &'a str, cursor: String },
    /// The connection is about to end: open another.
    Reconnect,
    /// The answer to a ping. To subscribe `after` this `cursor` is to miss nothing.
    Pong { cursor: String },
    /// A message was refused.
    Error {
        code: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        detail: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        errors: Vec<Violation>,
    },
}

impl Frame<'_> {
    /// As it is sent.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a frame is always JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_by_their_type() {
        assert_eq!(Frame::Reconnect.to_json(), r#"{"type":"reconnect"}"#);
        let gap = Frame::Gap { id: "a", cursor: "c".to_owned() };
        assert_eq!(gap.to_json(), r#"{"type":"gap","id":"a","cursor":"c"}"#);
    }
}
