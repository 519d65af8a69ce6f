//! Events to sockets. Each socket gets the events of its subscriptions in the log's order; sockets do
//! not wait for each other; and whatever is wrong with one, the batch goes on: a socket that is gone
//! is forgotten, and one that can't take an event is told where to ask from.

use agent_management::connection::post::{Posted, tell_lost};
use agent_management::connection::{Connection, Frame, State, Subscription, store};
use agent_management::error::Result;
use agent_management::event::{Change, Tail, body, cursor};
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

/// An event as it goes out.
struct Outgoing<'a> {
    announced: Announced<'a>,
    /// From where a client that got it may resume.
    safe_number: u64,
    json: Box<RawValue>,
}

/// What a subscription is told of by a bookmark instead: the changes that jobs made, and all that comes after
/// the last post that the cap admits.
struct Skipped<'a> {
    id: &'a str,
    first: &'a Outgoing<'a>,
    count: u64,
    /// Whether nothing more is posted to it.
    has_ended: bool,
}

/// A push to the sockets of one tenant.
struct Push<'a> {
    fanout: &'a StreamFanout,
    tenant: &'a TenantId,
    events: Vec<Outgoing<'a>>,
    /// How many posts each socket gets at most; what is over becomes a bookmark.
    posts_each: usize,
    now: Timestamp,
}

impl StreamFanout {
    /// Pushes the events to every socket that subscribes to them.
    ///
    /// # Errors
    /// When the sockets can't be read from the table, or what became of one can't be noted there.
    pub(crate) async fn push(
        &self,
        tenant: &TenantId,
        announced: &[Announced<'_>],
        tail: &Tail,
        now: Timestamp,
    ) -> Result<()> {
        let connections = store::list(&self.base.store, tenant).await?;
        let connections: Vec<_> =
            connections.into_iter().filter(|connection| is_concerned(connection, now)).collect();
        if connections.is_empty() {
            return Ok(());
        }
        let batch: Vec<u64> = announced.iter().map(|one| one.seq).collect();
        let events = announced.iter().map(|one| Outgoing {
            announced: *one,
            safe_number: tail.safe_number(one.seq, &batch, now),
            json: serde_json::value::to_raw_value(&body(tenant, one.seq, one.change))
                .expect("an event is always JSON"),
        });
        let wanted: Vec<usize> = connections.iter().map(|connection| wanted(connection, announced)).collect();
        let wanted_in_all = wanted.iter().sum();
        let allowed = self.memory.posts(tenant, |posts| posts.take(wanted_in_all, now));
        let sharing = wanted.iter().filter(|wanted| **wanted > 0).count().max(1);
        let posts_each = if allowed == wanted_in_all { usize::MAX } else { allowed / sharing };
        let push = Push { fanout: self, tenant, events: events.collect(), posts_each, now };
        let push = &push;
        let served = futures_util::stream::iter(connections).map(|connection| push.to(connection));
        let outcomes: Vec<Result<()>> = served.buffer_unordered(SOCKETS_AT_ONCE).collect().await;
        // What could not be noted in the table would be missed without a word: the batch comes again.
        outcomes.into_iter().collect()
    }
}

fn is_concerned(connection: &Connection, now: Timestamp) -> bool {
    !connection.is_over(now) && (!connection.subscriptions.is_empty() || connection.is_ending(now))
}

/// How many posts the events would be to this socket.
fn wanted(connection: &Connection, announced: &[Announced<'_>]) -> usize {
    live(connection)
        .map(|live| {
            let posted = announced.iter().filter(|one| !one.change.is_of_job);
            posted.filter(|one| live.filter.admits(&one.change.event)).count()
        })
        .sum()
}

fn live(connection: &Connection) -> impl Iterator<Item = &Subscription> {
    connection.subscriptions.iter().filter(|subscription| subscription.state.is_live())
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
        let Some(connection) = self.withhold(connection).await? else {
            return Ok(());
        };
        let (store, sockets) = (&self.fanout.base.store, &self.fanout.sockets);
        let Some(connection) = tell_lost(store, sockets, self.tenant, connection).await? else {
            return Ok(());
        };
        self.events_to(connection).await
    }

    /// Notes on every subscription that is reading the log how far it has to read, and counts those as
    /// lost whose reader must have died. The connection as it is then.
    async fn withhold(&self, connection: Connection) -> Result<Option<Connection>> {
        if live(&connection).count() == connection.subscriptions.len() {
            return Ok(Some(connection));
        }
        store::update(&self.fanout.base.store, self.tenant, connection, |now| Some(self.with_marks(now)))
            .await
    }

    fn with_marks(&self, connection: &Connection) -> Connection {
        let mut marked = connection.clone().with_dead_lost(self.now);
        for subscription in &mut marked.subscriptions {
            let last = self.events.iter().rev().find(|event| wants(subscription, event));
            if let (State::Resuming(resuming), Some(last)) = (&mut subscription.state, last) {
                resuming.withheld = resuming.withheld.max(last.announced.seq);
            }
        }
        marked
    }

    /// Every wanted event in its order, as far as the cap allows, and then a bookmark for those that
    /// were left out.
    async fn events_to(&self, connection: Connection) -> Result<()> {
        let Some(last) = self.events.last() else {
            return Ok(());
        };
        let mut posts = 0;
        let mut skipped: Vec<Skipped<'_>> = Vec::new();
        for event in &self.events {
            for subscription in live(&connection).filter(|subscription| wants(subscription, event)) {
                let known = skipped.iter().position(|skipped| skipped.id == subscription.id);
                let has_ended = known.is_some_and(|known| skipped[known].has_ended);
                let ends = posts >= self.posts_each && !event.announced.change.is_of_job;
                if has_ended || ends || event.announced.change.is_of_job {
                    match known {
                        Some(known) => {
                            skipped[known].count += 1;
                            skipped[known].has_ended |= ends;
                        }
                        None => skipped.push(Skipped {
                            id: &subscription.id,
                            first: event,
                            count: 1,
                            has_ended: ends,
                        }),
                    }
                } else {
                    posts += 1;
                    let cursor = cursor(self.tenant, event.safe_number);
                    let frame = Frame::Event { id: &subscription.id, cursor, event: &event.json };
                    if !self.arrived(&connection, &frame, event).await? {
                        return Ok(());
                    }
                }
            }
        }
        for Skipped { id, first, count, has_ended: _ } in skipped {
            let cursor = cursor(self.tenant, last.safe_number);
            if !self.arrived(&connection, &Frame::Bookmark { id, cursor, skipped: count }, first).await? {
                return Ok(());
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
                let lost = store::update(&self.fanout.base.store, self.tenant, connection.clone(), |now| {
                    Some(now.clone().with_all_lost(number))
                });
                lost.await.map(|_| false)
            }
        }
    }

    async fn post(&self, connection: &Connection, frame: &Frame<'_>) -> Posted {
        self.fanout.sockets.post(&connection.id, &frame.to_json()).await
    }

    async fn forget(&self, connection: &Connection) -> Result<()> {
        store::delete(&self.fanout.base.store, self.tenant, &connection.id).await
    }
}
