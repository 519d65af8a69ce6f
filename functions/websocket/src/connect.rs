//! `$connect`: whether the caller may have one more socket.

use agent_management::connection::{Connection, store};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Scope;
use agent_management::id::TenantId;
use agent_management::tier::LimitName;
use agent_management::violation::Violation;
use futures_util::future::join_all;

use crate::{Peer, WebSocket};

/// How old a connection must be, in seconds, to be asked whether it is still open: while its handshake
/// lasts API Gateway does not know it yet.
const SETTLED_AFTER_S: i64 = 35;
/// How many of the oldest connections are asked.
const ASKED_MAX: usize = 8;

impl WebSocket {
    pub(crate) async fn connect(&self, peer: &Peer) -> Result<()> {
        let caller = &peer.caller;
        let now = self.clock.now();
        if caller.expires_at <= now {
            return Err(Error::Unauthorized("the token has expired"));
        }
        if !caller.has(Scope::EventsRead) {
            return Err(Error::InsufficientScope(Scope::EventsRead.as_str()));
        }
        let connection = Connection::open(peer.connection.clone(), caller.expires_at, now);
        store::insert(&self.store, &caller.tenant, &connection).await?;
        let limits = self.tiers.limits(&caller.entitlements);
        let Some(sockets_max) = limits.get(LimitName::Sockets) else {
            return Ok(());
        };
        // Counted when this one is there already: of two at once that would take the last place, neither
        // is overlooked.
        if self.has_room(&caller.tenant, &connection, sockets_max).await? {
            return Ok(());
        }
        store::delete(&self.store, &caller.tenant, &connection.id).await?;
        Err(Error::Entitlement(vec![Violation::new("", "sockets", "the tier admits no more sockets")]))
    }

    /// Whether this connection is one of at most `sockets_max`. A `$disconnect` may have been lost, so
    /// the others are asked for when they are too many.
    async fn has_room(&self, tenant: &TenantId, connection: &Connection, sockets_max: u64) -> Result<bool> {
        let others = self.others(tenant, connection).await?;
        if (others.len() as u64) < sockets_max {
            return Ok(true);
        }
        let now_s = self.clock.now().as_second();
        let mut old: Vec<_> =
            others.iter().filter(|other| now_s - other.opened_at.as_second() >= SETTLED_AFTER_S).collect();
        old.sort_by_key(|other| other.opened_at);
        let forgotten = join_all(old.into_iter().take(ASKED_MAX).map(async |other| {
            if self.sockets.is_open(&other.id).await {
                return Ok(0);
            }
            store::delete(&self.store, tenant, &other.id).await.map(|()| 1)
        }));
        let forgotten: u64 = forgotten.await.into_iter().sum::<Result<u64>>()?;
        Ok(others.len() as u64 - forgotten < sockets_max)
    }

    async fn others(&self, tenant: &TenantId, connection: &Connection) -> Result<Vec<Connection>> {
        let now = self.clock.now();
        let mut all = store::list(&self.store, tenant).await?;
        all.retain(|other| !other.is_over(now) && other.id != connection.id);
        Ok(all)
    }
}
