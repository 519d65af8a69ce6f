//! Sockets of a tenant: what each is subscribed to, and the rules by which a subscription never
//! misses an event between what it reads from the log and what is pushed to it. Nothing here knows
//! the store, a socket or the clock.

mod frame;
mod message;
pub mod post;
pub mod store;
mod ticket;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use frame::Frame;
pub use message::{Message, Refusal, SUBSCRIPTIONS_MAX, Subscribe};
pub use ticket::{TICKET_AGE_S, Ticket, TicketDocument};

use crate::event::Filter;
use crate::id::InvalidId;

/// How long API Gateway keeps a WebSocket connection, in seconds: two hours.
pub const LIFE_MAX_S: i64 = 2 * 3_600;
/// How long before that clients are asked to reconnect, in seconds.
pub const RECONNECT_AHEAD_S: i64 = 10 * 60;
/// How long a connection's row is kept, in seconds: past the end of any connection.
const ROW_AGE_S: i64 = LIFE_MAX_S + 15 * 60;
/// How long a resumption may last, in seconds: more than the function that does it can run.
pub const RESUME_MAX_S: i64 = 60;

/// API Gateway's name for a connection: opaque, 1 to 128 visible characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(String);

impl ConnectionId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConnectionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId("connection"))
        }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A socket.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    pub id: ConnectionId,
    /// When the token that it was opened with expires. No event is sent to it from then on.
    pub token_expires_at: Timestamp,
    pub opened_at: Timestamp,
    pub subscriptions: Vec<Subscription>,
    /// A push was dropped and the client may not know yet: it must ask from this number.
    pub gap: Option<u64>,
}

impl Connection {
    pub fn open(id: ConnectionId, token_expires_at: Timestamp, now: Timestamp) -> Self {
        Self { id, token_expires_at, opened_at: now, subscriptions: Vec::new(), gap: None }
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.token_expires_at <= now
    }

    /// Whether the client had better open another one.
    pub fn is_ending(&self, now: Timestamp) -> bool {
        let age_s = now.as_second() - self.opened_at.as_second();
        self.is_expired(now) || age_s >= LIFE_MAX_S - RECONNECT_AHEAD_S
    }

    /// Whether it can't be open any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now.as_second() - self.opened_at.as_second() >= ROW_AGE_S
    }

    pub fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.subscriptions.iter().find(|subscription| subscription.id == id)
    }

    /// With this subscription, in the place of one that has its id.
    pub fn with(mut self, subscription: Subscription) -> Self {
        self.subscriptions.retain(|other| other.id != subscription.id);
        self.subscriptions.push(subscription);
        self
    }

    pub fn without(mut self, id: &str) -> Self {
        self.subscriptions.retain(|other| other.id != id);
        self
    }

    /// After a push was dropped: nothing more is pushed until the client asks again from `number`.
    pub fn with_gap(mut self, number: u64) -> Self {
        self.subscriptions.clear();
        self.gap = Some(self.gap.map_or(number, |earlier| earlier.min(number)));
        self
    }
}

/// What a client wants to hear of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// The client's name for it.
    pub id: String,
    #[serde(default, rename = "f", skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
    #[serde(default, rename = "r", skip_serializing_if = "Option::is_none")]
    pub resuming: Option<Resuming>,
}

/// A subscription that is reading the log. Nothing is pushed to it meanwhile; whoever would have
/// pushed notes up to where, and it turns live only when it has read that far. So its events come in
/// the log's order, and none is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resuming {
    /// Tells this resumption from another of the same subscription.
    pub run: u32,
    /// The number that it began after.
    pub from: u64,
    /// Seconds since the epoch at which it counts as dead.
    pub until: i64,
    /// The highest number that was kept from it.
    #[serde(default)]
    pub withheld: u64,
}

impl Subscription {
    /// That it turns live, if it is still this resumption and nothing above `read` was kept from it.
    pub fn settled(&self, run: u32, read: u64) -> Settled {
        match self.resuming {
            Some(resuming) if resuming.run == run && resuming.withheld <= read => {
                Settled::Live(Self { resuming: None, ..self.clone() })
            }
            Some(resuming) if resuming.run == run => Settled::Behind,
            Some(_) | None => Settled::Replaced,
        }
    }
}

/// Whether a resumption has caught up.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    Live(Subscription),
    /// More has come meanwhile.
    Behind,
    /// The client has replaced or ended the subscription.
    Replaced,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumption_turns_live_when_it_has_read_what_was_kept_from_it() {
        let resuming = Resuming { run: 1, from: 3, until: 60, withheld: 5 };
        let subscription =
            Subscription { id: "a".to_owned(), filter: Filter::default(), resuming: Some(resuming) };
        assert_eq!(subscription.settled(1, 4), Settled::Behind);
        assert!(matches!(subscription.settled(1, 5), Settled::Live(live) if live.resuming.is_none()));
        assert_eq!(subscription.settled(2, 9), Settled::Replaced);
    }

    #[test]
    fn an_unfiltered_subscription_is_short() {
        let live = Subscription { id: "1".to_owned(), filter: Filter::default(), resuming: None };
        assert_eq!(serde_json::to_string(&live).unwrap(), r#"{"id":"1"}"#);
    }
}
