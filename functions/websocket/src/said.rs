//! `$default`: what clients say.

use agent_management::connection::{Connection, Frame, Message, Refusal, store};
use agent_management::error::Result;
use agent_management::event;
use agent_management::id::TenantId;

use crate::{Peer, WebSocket};

impl WebSocket {
    pub(crate) async fn hear(&self, peer: &Peer, text: &str) -> Result<()> {
        let tenant = &peer.caller.tenant;
        let now = self.clock.now();
        let Some(connection) = store::get(&self.store, tenant, &peer.connection).await? else {
            // Forgotten: a post once found it gone. It has to start anew.
            self.say(peer, &Frame::Reconnect).await;
            self.sockets.close(&peer.connection).await;
            return Ok(());
        };
        if connection.is_ending(now) {
            self.say(peer, &Frame::Reconnect).await;
        }
        if connection.is_expired(now) {
            store::delete(&self.store, tenant, &peer.connection).await?;
            self.sockets.close(&peer.connection).await;
            return Ok(());
        }
        match Message::read(text) {
            Err(refusal) => self.refuse(peer, &refusal).await,
            Ok(Message::Ping) => self.pong(peer, connection).await?,
            Ok(Message::Unsubscribe { id }) => {
                store::update(&self.store, tenant, connection, |now| Some(now.clone().without(&id))).await?;
                self.say(peer, &Frame::Unsubscribed { id: &id }).await;
            }
            Ok(Message::Subscribe(subscribe)) => self.subscribe(peer, connection, subscribe).await?,
        }
        Ok(())
    }

    /// Answers a ping, and says again what the client may not have heard.
    async fn pong(&self, peer: &Peer, connection: Connection) -> Result<()> {
        let tenant = &peer.caller.tenant;
        if let Some(number) = connection.gap {
            self.say(peer, &Frame::Gap { id: None, cursor: event::cursor(tenant, number) }).await;
        }
        let number = self.safe_number(tenant, &connection).await?;
        self.say(peer, &Frame::Pong { cursor: event::cursor(tenant, number) }).await;
        Ok(())
    }

    /// Up to where everything that the client wanted has been posted to it: what was appended so long
    /// ago that whoever appended it must have pushed it, less what a subscription is still reading.
    async fn safe_number(&self, tenant: &TenantId, connection: &Connection) -> Result<u64> {
        let now = self.clock.now();
        let settled = now.checked_sub(event::SETTLED_AFTER).unwrap_or(now);
        let tail = event::store::read_tail(&self.store, tenant, settled, now).await?;
        let pushed = tail.safe_number(tail.next() - 1, &[], now);
        let resuming = connection.subscriptions.iter().filter_map(|subscription| subscription.resuming);
        let read = resuming.map(|resuming| resuming.from).chain(connection.gap).min();
        Ok(read.map_or(pushed, |read| read.min(pushed)))
    }

    pub(crate) async fn refuse(&self, peer: &Peer, refusal: &Refusal) {
        let frame = Frame::Error {
            code: refusal.code,
            id: refusal.id.as_deref(),
            detail: refusal.detail.clone(),
            errors: refusal.errors.clone(),
        };
        self.say(peer, &frame).await;
    }
}
