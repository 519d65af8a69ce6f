//! `subscribe`: read the log from where the client stands, then turn live. While it reads, whoever
//! pushes events keeps them from it and notes how far it has to read; so it gets every event, in the
//! log's order, and none twice.

use agent_management::connection::post::{Posted, tell_lost};
use agent_management::connection::{
    Connection, Frame, RESUME_MAX_S, Refusal, Resuming, SUBSCRIPTIONS_MAX, Settled, State, Subscribe,
    Subscription, store,
};
use agent_management::error::{Error, Result};
use agent_management::event::store::{check_window, last_number, read_after};
use agent_management::event::{self, Numbered};
use serde_json::value::to_raw_value;

use crate::{Peer, WebSocket};

/// The most events that one subscription is given from the log. The client then asks again.
const EVENTS_MAX: usize = 1_000;

/// The most pieces of the log that are read for one subscription, wanted or not.
const READS_MAX: usize = 100;

/// How a reading ended.
enum Outcome {
    /// The subscription is live, or the client has replaced it.
    Settled,
    /// There is more to read than may be read at once, or the client does not keep up.
    BrokenOff,
}

/// A subscription that is reading.
struct Reader<'a> {
    peer: &'a Peer,
    /// As it was written last: a change of it that came since is found out by the next write.
    connection: Connection,
    subscription: Subscription,
    run: u32,
    /// Up to which number it has read.
    position: u64,
    sent: usize,
}

impl WebSocket {
    pub(crate) async fn subscribe(
        &self,
        peer: &Peer,
        connection: Connection,
        subscribe: &Subscribe,
    ) -> Result<()> {
        let tenant = &peer.caller.tenant;
        let refuse =
            |code, detail: &str| Refusal { id: Some(subscribe.id.clone()), ..Refusal::new(code, detail) };
        let from = match &subscribe.after {
            None => last_number(&self.store, tenant).await?,
            Some(cursor) => match self.resumable(peer, cursor).await {
                Ok(number) => number,
                Err(Error::InvalidCursor) => {
                    let refusal = refuse("invalid_cursor", "`after` is no cursor of this tenant's events.");
                    self.refuse(peer, &refusal).await;
                    return Ok(());
                }
                Err(Error::CursorExpired) => {
                    let refusal = refuse("cursor_expired", "The events after it are no longer kept.");
                    self.refuse(peer, &refusal).await;
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
        };
        let run = fastrand::u32(..);
        let until = self.clock.now().as_second() + RESUME_MAX_S;
        let subscription = Subscription {
            id: subscribe.id.clone(),
            filter: subscribe.filter.clone(),
            state: State::Resuming(Resuming { run, from, until, withheld: 0 }),
        };
        // Judged on the row as it stands: a client's messages may be heard at the same time.
        let with_it = |now: &Connection| {
            let after = now.clone().with(subscription.clone());
            (after.subscriptions.len() <= SUBSCRIPTIONS_MAX && after.is_small()).then_some(after)
        };
        let Some(begun) = store::update(&self.store, tenant, connection, with_it).await? else {
            return Ok(());
        };
        if !begun.subscription(&subscribe.id).is_some_and(|subscription| subscription.is_run(run)) {
            let detail = format!(
                "A connection may have {SUBSCRIPTIONS_MAX} subscriptions, with 8 KiB of filters in all."
            );
            self.refuse(peer, &refuse("too_many_subscriptions", &detail)).await;
            return Ok(());
        }
        self.say(peer, &Frame::Subscribed { id: &subscribe.id, cursor: event::cursor(tenant, from) }).await;
        let mut reader = Reader { peer, connection: begun, subscription, run, position: from, sent: 0 };
        match self.read(&mut reader, subscribe.after.is_some()).await {
            Ok(Outcome::Settled) => Ok(()),
            Ok(Outcome::BrokenOff) => self.break_off(&reader).await,
            Err(error) => {
                self.break_off(&reader).await?;
                Err(error)
            }
        }
    }

    /// The number in a cursor that is still good.
    async fn resumable(&self, peer: &Peer, cursor: &str) -> Result<u64> {
        let tenant = &peer.caller.tenant;
        let number = event::read_cursor(tenant, cursor)?;
        let window = event::replay_window(&self.tiers.limits(&peer.caller.entitlements));
        let read = read_after(&self.store, tenant, number).await?;
        check_window(&read, number, window, self.clock.now())?;
        Ok(number)
    }

    async fn read(&self, reader: &mut Reader<'_>, is_resumed: bool) -> Result<Outcome> {
        let tenant = &reader.peer.caller.tenant;
        for _ in 0..READS_MAX {
            let read = read_after(&self.store, tenant, reader.position).await?;
            for numbered in &read.events {
                if reader.sent >= EVENTS_MAX || !self.hand_over(reader, numbered).await {
                    return Ok(Outcome::BrokenOff);
                }
            }
            if !read.is_at_end {
                continue;
            }
            if is_resumed {
                let cursor = event::cursor(tenant, reader.position);
                let frame = Frame::Bookmark { id: &reader.subscription.id, cursor, skipped: 0 };
                if self.say(reader.peer, &frame).await != Posted::Done {
                    return Ok(Outcome::BrokenOff);
                }
            }
            if self.settle(reader).await? {
                return Ok(Outcome::Settled);
            }
        }
        Ok(Outcome::BrokenOff)
    }

    /// Sends an event if it is wanted. False: it did not arrive.
    async fn hand_over(&self, reader: &mut Reader<'_>, numbered: &Numbered) -> bool {
        let tenant = &reader.peer.caller.tenant;
        if reader.subscription.filter.admits(&numbered.event) {
            let logged = event::logged(tenant, numbered);
            let event = to_raw_value(&logged.event).expect("an event is always JSON");
            let frame = Frame::Event { id: &reader.subscription.id, cursor: logged.cursor, event: &event };
            if self.say(reader.peer, &frame).await != Posted::Done {
                return false;
            }
            reader.sent += 1;
        }
        reader.position = numbered.seq;
        true
    }

    /// Turns the subscription live if nothing was kept from it beyond what it has read. False: there is
    /// more to read.
    async fn settle(&self, reader: &Reader<'_>) -> Result<bool> {
        let tenant = &reader.peer.caller.tenant;
        let id = &reader.subscription.id;
        let settled = |now: &Connection| {
            now.subscription(id).map(|subscription| subscription.settled(reader.run, reader.position))
        };
        let after = store::update(&self.store, tenant, reader.connection.clone(), |now| match settled(now) {
            Some(Settled::Live(live)) => Some(now.clone().with(live)),
            Some(Settled::Behind | Settled::Replaced) | None => None,
        })
        .await?;
        Ok(after.is_none_or(|after| settled(&after) != Some(Settled::Behind)))
    }

    /// Ends a subscription that can't read on now: it is lost from where it has come to, and the client
    /// is told until it hears.
    async fn break_off(&self, reader: &Reader<'_>) -> Result<()> {
        let tenant = &reader.peer.caller.tenant;
        let lost = Subscription { state: State::Lost(reader.position), ..reader.subscription.clone() };
        let connection = store::update(&self.store, tenant, reader.connection.clone(), |now| {
            let is_this = now.subscription(&lost.id).is_some_and(|known| known.is_run(reader.run));
            is_this.then(|| now.clone().with(lost.clone()))
        });
        if let Some(connection) = connection.await? {
            tell_lost(&self.store, &self.sockets, tenant, connection).await?;
        }
        Ok(())
    }
}
