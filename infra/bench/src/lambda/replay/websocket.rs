//! One socket after another: it opens, resumes a little before the log's end, pings, and closes.

use agent_management::event::cursor;
use serde_json::{Value, json};

use super::{Event, Replay, rest};
use crate::seed::Seeded;
use crate::services::Received;

/// How many events of the log each socket is given.
const RESUMED: u64 = 5;

#[derive(Debug)]
pub struct Sockets<'a> {
    seeded: &'a Seeded,
    turn: usize,
}

impl<'a> Sockets<'a> {
    pub fn new(seeded: &'a Seeded) -> Self {
        Self { seeded, turn: 0 }
    }
}

impl Replay for Sockets<'_> {
    fn next(&mut self) -> Result<Event, String> {
        let (name, route, kind, body) = match self.turn % 4 {
            0 => ("$connect", "$connect", "CONNECT", None),
            1 => {
                let after = cursor(&self.seeded.tenant, self.seeded.events.saturating_sub(RESUMED));
                let subscribe = json!({"action": "subscribe", "id": "bench", "after": after});
                ("$default subscribe", "$default", "MESSAGE", Some(subscribe.to_string()))
            }
            2 => ("$default ping", "$default", "MESSAGE", Some(json!({"action": "ping"}).to_string())),
            _ => ("$disconnect", "$disconnect", "DISCONNECT", None),
        };
        let connection = format!("bench{:08}=", self.turn / 4);
        let request_id = format!("bench-{}", self.turn);
        let now_ms = self.seeded.host.clock.now().as_millisecond();
        let event = json!({
            "requestContext": {
                "routeKey": route,
                "eventType": kind,
                "messageDirection": "IN",
                "messageId": body.as_ref().map(|_| request_id.clone()),
                "stage": "v1",
                "apiId": "bench",
                "domainName": "ws.example.com",
                "connectionId": connection,
                "connectedAt": now_ms,
                "requestTimeEpoch": now_ms,
                "requestId": request_id,
                "extendedRequestId": request_id,
                "identity": {"sourceIp": "192.0.2.1"},
                "authorizer": self.seeded.caller,
            },
            "body": body,
            "isBase64Encoded": false,
        });
        Ok(Event { name, json: event.to_string() })
    }

    fn heard(&mut self, answer: &Value) -> Result<(), String> {
        rest::succeeded(answer)?;
        self.turn += 1;
        Ok(())
    }

    fn check(&self, received: Received) -> Result<(), String> {
        // An answer to `subscribe`, the events, where they end, and a pong.
        let expected = (self.turn / 4) as u64 * (RESUMED + 3);
        if received.frames >= expected { Ok(()) } else { Err(format!("only {} frames", received.frames)) }
    }
}
