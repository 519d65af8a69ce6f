//! `$default`: what clients say.

use agent_management::connection::post::tell_lost;
use agent_management::connection::{Connection, Frame, Message, Refusal, State, Subscribe, store};
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
        let message = match Message::read(text) {
            Ok(message) => message,
            Err(refusal) => {
                self.refuse(peer, &refusal).await;
                return Ok(());
            }
        };
        let answered = match &message {
            Message::Ping => self.pong(peer, connection).await,
            Message::Unsubscribe { id } => self.unsubscribe(peer, connection, id).await,
            Message::Subscribe(subscribe) => self.subscribe(peer, connection, subscribe).await,
        };
        if answered.is_err() {
            let id = match &message {
                Message::Ping => None,
                Message::Unsubscribe { id } | Message::Subscribe(Subscribe { id, .. }) => Some(id.clone()),
            };
            self.refuse(peer, &Refusal { id, ..Refusal::new("unavailable", "Try again in a moment.") }).await;
        }
        answered
    }

    async fn unsubscribe(&self, peer: &Peer, connection: Connection, id: &str) -> Result<()> {
        let tenant = &peer.caller.tenant;
        store::update(&self.store, tenant, connection, |now| Some(now.clone().without(id))).await?;
        self.say(peer, &Frame::Unsubscribed { id }).await;
        Ok(())
    }

    /// Answers a ping, after what the client may not have heard.
    async fn pong(&self, peer: &Peer, connection: Connection) -> Result<()> {
        let tenant = &peer.caller.tenant;
        let now = self.clock.now();
        let settled = store::update(&self.store, tenant, connection, |connection| {
            Some(connection.clone().with_dead_lost(now))
        });
        let Some(connection) = settled.await? else {
            return Ok(());
        };
        let before = self.safe_number(tenant, &connection).await?;
        if tell_lost(&self.store, &self.sockets, tenant, connection).await?.is_some() {
            self.say(peer, &Frame::Pong { cursor: event::cursor(tenant, before) }).await;
        }
        Ok(())
    }

    /// Up to where everything that the client wanted has been posted to it: what was appended so long
    /// ago that whoever appended it must have pushed it, less what a subscription has still to read.
    async fn safe_number(&self, tenant: &TenantId, connection: &Connection) -> Result<u64> {
        let now = self.clock.now();
        let pushed = event::store::window_start(&self.store, tenant, event::SETTLED_AFTER, now).await?;
        let unread = connection.subscriptions.iter().filter_map(|subscription| match subscription.state {
            State::Live => None,
            State::Resuming(resuming) => Some(resuming.from),
            State::Lost(number) => Some(number),
        });
        Ok(unread.min().map_or(pushed, |unread| unread.min(pushed)))
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
