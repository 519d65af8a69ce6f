//! Events to sockets. Each socket gets the events of its subscriptions in the log's order; sockets do
//! not wait for each other; and whatever is wrong with one, the batch goes on: a socket that is gone
//! is forgotten, and one that can't take an event is told where to ask from.

use agent_management::connection::post::Posted;
use agent_management::connection::{Connection, Frame, Resuming, Subscription, store};
use agent_management::error::Result;
use agent_management::event::{Change, Numbered, Tail, body, cursor};
use agent_management::id::TenantId;
use futures_util::StreamExt;
use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::StreamFanout;

/// How many sockets of a tenant are posted to at once.
const SOCKETS_AT_ONCE: usize = 64;

/// A change with its number in the log.
#[derive(Debug, Clone, Copy)]
pub struct Announced<'a> {
    pub seq: u64,
    pub change: &'a Change,
}

impl Announced<'_> {
    pub fn numbered(&self) -> Numbered {
        Numbered { seq: self.seq, event: self.change.event.clone() }
    }
}

/// An event as it goes out.
struct Outgoing<'a> {
    announced: Announced<'a>,
    /// From where a client that got it may resume.
    safe_number: u64,
    json: Box<RawValue>,
}

/// A push to the sockets of one tenant.
struct Push<'a> {
    fanout: &'a StreamFanout,
    tenant: &'a TenantId,
    events: Vec<Outgoing<'a>>,
    /// How many events each socket gets at most; what is over becomes a bookmark.
    events_each: usize,
    now: Timestamp,
}

impl StreamFanout {
    /// Pushes the events to every socket that subscribes to them.
    ///
    /// # Errors
    /// Only when the sockets can't be read from the table.
    pub(crate) async fn push(
        &self,
        tenant: &TenantId,
        announced: &[Announced<'_>],
        tail: &Tail,
        now: Timestamp,
    ) -> Result<()> {
        let connections = store::list(&self.store, tenant).await?;
        let connections: Vec<_> =
            connections.into_iter().filter(|connection| is_concerned(connection, now)).collect();
        if connections.is_empty() {
            return Ok(());
        }
        let batch: Vec<Numbered> = announced.iter().map(Announced::numbered).collect();
        let events = announced.iter().map(|one| Outgoing {
            announced: *one,
            safe_number: tail.safe_number(one.seq, &batch, now),
            json: serde_json::value::to_raw_value(&body(tenant, one.seq, one.change))
                .expect("an event is always JSON"),
        });
        let wanted = connections.iter().map(|connection| wanted(connection, announced)).sum();
        let allowed = self.memory.posts(tenant, |posts| posts.take(wanted, now));
        let events_each = if allowed == wanted { announced.len() } else { allowed / connections.len() };
        let push = Push { fanout: self, tenant, events: events.collect(), events_each, now };
        let push = &push;
        futures_util::stream::iter(connections)
            .for_each_concurrent(SOCKETS_AT_ONCE, |connection| async move {
                if let Err(error) = push.to(connection).await {
                    // The socket's row could not be written: it will be found out at the next push.
                    tracing::warn!(cause = crate::cause(&error), "a socket could not be served");
                }
            })
            .await;
        Ok(())
    }
}

fn is_concerned(connection: &Connection, now: Timestamp) -> bool {
    !connection.is_over(now)
        && (!connection.subscriptions.is_empty() || connection.gap.is_some() || connection.is_ending(now))
}

/// How many posts the events would be to this socket.
fn wanted(connection: &Connection, announced: &[Announced<'_>]) -> usize {
    let live = connection.subscriptions.iter().filter(|subscription| subscription.resuming.is_none());
    live.map(|live| announced.iter().filter(|one| live.filter.admits(&one.change.event)).count()).sum()
}

fn wants(subscription: &Subscription, event: &Outgoing<'_>) -> bool {
    subscription.filter.admits(&event.announced.change.event)
}

impl Push<'_> {
    async fn to(&self, connection: Connection) -> Result<()> {
        if connection.is_ending(self.now) {
            let posted = self.post(&connection, &Frame::Reconnect).await;
            if posted == Posted::Gone {
                return self.forget(&connection).await;
            }
            if connection.is_expired(self.now) {
                self.fanout.sockets.close(&connection.id).await;
                return self.forget(&connection).await;
            }
        }
        if let Some(number) = connection.gap {
            return self.tell_of_gap(connection, number).await;
        }
        let Some(connection) = self.withhold(connection).await? else {
            return Ok(());
        };
        self.events_to(connection).await
    }

    /// Notes on every subscription that is reading the log how far it has to read, and ends those
    /// whose reader must have died. The connection as it is then.
    async fn withhold(&self, connection: Connection) -> Result<Option<Connection>> {
        if connection.subscriptions.iter().all(|subscription| subscription.resuming.is_none()) {
            return Ok(Some(connection));
        }
        let before = connection.clone();
        let after =
            store::update(&self.fanout.store, self.tenant, connection, |now| Some(self.with_marks(now)))
                .await?;
        let Some(after) = after else {
            return Ok(None);
        };
        for subscription in &before.subscriptions {
            if let Some(dead) = subscription.resuming.filter(|resuming| self.is_dead(*resuming))
                && after.subscription(&subscription.id).is_none()
            {
                let frame = Frame::Gap { id: Some(&subscription.id), cursor: cursor(self.tenant, dead.from) };
                self.post(&after, &frame).await;
            }
        }
        Ok(Some(after))
    }

    fn with_marks(&self, connection: &Connection) -> Connection {
        let mut marked = connection.clone();
        marked
            .subscriptions
            .retain(|subscription| subscription.resuming.is_none_or(|resuming| !self.is_dead(resuming)));
        for subscription in &mut marked.subscriptions {
            let last = self.events.iter().rev().find(|event| wants(subscription, event));
            if let (Some(resuming), Some(last)) = (subscription.resuming.as_mut(), last) {
                resuming.withheld = resuming.withheld.max(last.announced.seq);
            }
        }
        marked
    }

    fn is_dead(&self, resuming: Resuming) -> bool {
        resuming.until <= self.now.as_second()
    }

    async fn events_to(&self, connection: Connection) -> Result<()> {
        let live: Vec<_> =
            connection.subscriptions.iter().filter(|subscription| subscription.resuming.is_none()).collect();
        for event in self.events.iter().take(self.events_each) {
            for subscription in live.iter().filter(|subscription| wants(subscription, event)) {
                let frame = Frame::Event {
                    id: &subscription.id,
                    cursor: cursor(self.tenant, event.safe_number),
                    event: &event.json,
                };
                if !self.arrived(&connection, &frame, event).await? {
                    return Ok(());
                }
            }
        }
        let Some((last, rest)) = self.events.last().zip(self.events.get(self.events_each..)) else {
            return Ok(());
        };
        for subscription in &live {
            let skipped = rest.iter().filter(|event| wants(subscription, event)).count() as u64;
            if skipped > 0 {
                let frame = Frame::Bookmark {
                    id: &subscription.id,
                    cursor: cursor(self.tenant, last.safe_number),
                    skipped,
                };
                if !self.arrived(&connection, &frame, &rest[0]).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Posts a frame that must not be missed. When it can't be delivered, the client is to ask from
    /// before `event`.
    async fn arrived(
        &self,
        connection: &Connection,
        frame: &Frame<'_>,
        event: &Outgoing<'_>,
    ) -> Result<bool> {
        match self.post(connection, frame).await {
            Posted::Done => Ok(true),
            Posted::Gone => self.forget(connection).await.map(|()| false),
            Posted::Dropped => {
                let number = event.safe_number.min(event.announced.seq - 1);
                let marked = store::update(&self.fanout.store, self.tenant, connection.clone(), |now| {
                    Some(now.clone().with_gap(number))
                });
                marked.await.map(|_| false)
            }
        }
    }

    async fn tell_of_gap(&self, connection: Connection, number: u64) -> Result<()> {
        let frame = Frame::Gap { id: None, cursor: cursor(self.tenant, number) };
        match self.post(&connection, &frame).await {
            Posted::Done => {
                let told = store::update(&self.fanout.store, self.tenant, connection, |now| {
                    (now.gap == Some(number)).then(|| Connection { gap: None, ..now.clone() })
                });
                told.await.map(drop)
            }
            Posted::Gone => self.forget(&connection).await,
            Posted::Dropped => Ok(()),
        }
    }

    async fn post(&self, connection: &Connection, frame: &Frame<'_>) -> Posted {
        self.fanout.sockets.post(&connection.id, &frame.to_json()).await
    }

    async fn forget(&self, connection: &Connection) -> Result<()> {
        store::delete(&self.fanout.store, self.tenant, &connection.id).await
    }
}
