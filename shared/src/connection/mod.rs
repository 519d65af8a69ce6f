//! Sockets of a tenant: what each is subscribed to, and the rules by which a subscription never
//! misses an event between what it reads from the log and what is pushed to it. Nothing here knows
//! the store, a socket or the clock.

mod frame;
mod message;
pub mod post;
pub mod store;
mod ticket;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use frame::Frame;
pub use message::{Message, Refusal, SUBSCRIPTIONS_MAX, Subscribe};
pub use ticket::{TICKET_AGE_S, Ticket, TicketDocument};

use crate::event::Filter;
use crate::id::ConnectionId;

/// How long API Gateway keeps a WebSocket connection, in seconds: two hours.
pub const LIFE_MAX_S: i64 = 2 * 3_600;
/// How long before that clients are asked to reconnect, in seconds.
pub const RECONNECT_AHEAD_S: i64 = 10 * 60;
/// How long a connection's row is kept, in seconds: past the end of any connection.
const ROW_AGE_S: i64 = LIFE_MAX_S + 15 * 60;
/// How long a resumption may last, in seconds: more than the function that does it can run.
pub const RESUME_MAX_S: i64 = 60;

/// The greatest subscriptions of a connection, in bytes of their JSON.
const SUBSCRIPTIONS_MAX_BYTES: usize = 8 * 1024;

/// A socket.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    pub id: ConnectionId,
    /// When the token that it was opened with expires. No event is sent to it from then on.
    pub token_expires_at: Timestamp,
    pub opened_at: Timestamp,
    pub subscriptions: Vec<Subscription>,
    /// The subscriptions as the row has them, to the letter: what a change of it is conditional on,
    /// whichever release wrote them.
    written: Option<String>,
}

impl Connection {
    pub fn open(id: ConnectionId, token_expires_at: Timestamp, now: Timestamp) -> Self {
        Self { id, token_expires_at, opened_at: now, subscriptions: Vec::new(), written: None }
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

    /// With every subscription lost, after a push did not arrive: those that were live from `number`,
    /// and those that were reading or lost already from where they stood.
    pub fn with_all_lost(mut self, number: u64) -> Self {
        for subscription in &mut self.subscriptions {
            subscription.state = State::Lost(match subscription.state {
                State::Live => number,
                State::Resuming(resuming) => resuming.from,
                State::Lost(earlier) => earlier,
            });
        }
        self
    }

    /// The subscriptions that are lost, each with the number to ask from.
    pub fn lost(&self) -> impl Iterator<Item = (&str, u64)> {
        self.subscriptions.iter().filter_map(|subscription| match subscription.state {
            State::Lost(number) => Some((subscription.id.as_str(), number)),
            State::Live | State::Resuming(_) => None,
        })
    }

    /// With what has been reading the log for longer than it can take counted as lost.
    pub fn with_dead_lost(mut self, now: Timestamp) -> Self {
        for subscription in &mut self.subscriptions {
            match subscription.state {
                State::Resuming(resuming) if resuming.until <= now.as_second() => {
                    subscription.state = State::Lost(resuming.from);
                }
                State::Live | State::Resuming(_) | State::Lost(_) => {}
            }
        }
        self
    }

    /// Whether a row has room for its subscriptions: every push reads all of a tenant's rows.
    pub fn is_small(&self) -> bool {
        serde_json::to_string(&self.subscriptions).is_ok_and(|json| json.len() <= SUBSCRIPTIONS_MAX_BYTES)
    }
}

/// What a client wants to hear of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// The client's name for it.
    pub id: String,
    #[serde(default, rename = "f", skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
    #[serde(default, rename = "s", skip_serializing_if = "State::is_live")]
    pub state: State,
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Events are pushed to it.
    #[default]
    #[serde(rename = "live")]
    Live,
    #[serde(rename = "r")]
    Resuming(Resuming),
    /// An event did not arrive. Nothing is pushed to it until the client, who is told until it hears,
    /// asks again from after this number.
    #[serde(rename = "l")]
    Lost(u64),
}

impl State {
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }
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
    /// One that begins live.
    pub fn live(id: &str, filter: Filter) -> Self {
        Self { id: id.to_owned(), filter, state: State::Live }
    }

    /// That it turns live, if it is still this resumption and nothing above `read` was kept from it.
    pub fn settled(&self, run: u32, read: u64) -> Settled {
        match self.state {
            State::Resuming(resuming) if resuming.run == run && resuming.withheld <= read => {
                Settled::Live(Self { state: State::Live, ..self.clone() })
            }
            State::Resuming(resuming) if resuming.run == run => Settled::Behind,
            State::Resuming(_) | State::Live | State::Lost(_) => Settled::Replaced,
        }
    }

    /// Whether it is this very resumption.
    pub fn is_run(&self, run: u32) -> bool {
        matches!(self.state, State::Resuming(resuming) if resuming.run == run)
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
        let state = State::Resuming(Resuming { run: 1, from: 3, until: 60, withheld: 5 });
        let subscription = Subscription { id: "a".to_owned(), filter: Filter::default(), state };
        assert_eq!(subscription.settled(1, 4), Settled::Behind);
        assert!(matches!(subscription.settled(1, 5), Settled::Live(live) if live.state.is_live()));
        assert_eq!(subscription.settled(2, 9), Settled::Replaced);
    }

    #[test]
    fn an_unfiltered_subscription_is_short() {
        let live = Subscription::live("1", Filter::default());
        assert_eq!(serde_json::to_string(&live).unwrap(), r#"{"id":"1"}"#);
    }

    #[test]
    fn what_is_lost_is_lost_from_where_it_stood() {
        let at = |state| Subscription { state, ..Subscription::live("a", Filter::default()) };
        let reading = State::Resuming(Resuming { run: 1, from: 3, until: 60, withheld: 5 });
        let states = [State::Live, reading, State::Lost(7)];
        let subscriptions = states.into_iter().map(at).collect();
        let id = "c".parse().unwrap();
        let open = Connection::open(id, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let lost = Connection { subscriptions, ..open }.with_all_lost(9);
        assert_eq!(lost.lost().map(|(_, number)| number).collect::<Vec<_>>(), [9, 3, 7]);
    }
}
