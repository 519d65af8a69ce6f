//! Tickets: what a browser opens a socket with, since it can't send a header then. A ticket is good
//! once and for a minute. It names its tenant, so that the row can be found; the row has a digest of
//! the secret only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::id::{TenantId, digest};

/// How long a ticket is good, in seconds.
pub const TICKET_AGE_S: i64 = 60;
const PREFIX: &str = "wst_";
const SECRET_BYTES: usize = 32;

/// A ticket: `wst_`, the tenant, `.` and 43 characters of base64url.
#[derive(Clone)]
pub struct Ticket {
    tenant: TenantId,
    secret: String,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl Ticket {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the system has no random bytes.
    pub fn generate(tenant: &TenantId) -> Result<Self> {
        let mut secret = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut secret).map_err(|_| Error::Unavailable("no random bytes".into()))?;
        Ok(Self { tenant: tenant.clone(), secret: URL_SAFE_NO_PAD.encode(secret) })
    }

    /// Reads a ticket's text; whether there is such a ticket is for the store to say.
    pub fn parse(text: &str) -> Option<Self> {
        let (tenant, secret) = text.strip_prefix(PREFIX)?.split_once('.')?;
        let bytes = URL_SAFE_NO_PAD.decode(secret).ok()?;
        (bytes.len() == SECRET_BYTES)
            .then(|| Some(Self { tenant: tenant.parse().ok()?, secret: secret.to_owned() }))?
    }

    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What the client is told, once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}.{}", self.tenant, self.secret)
    }

    /// What stands for the secret in the table.
    pub fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&["ticket", self.tenant.as_str(), &self.secret]))
    }
}

/// The answer to `POST /v1/ws-tickets`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TicketDocument {
    /// Good once: `?ticket=` of the WebSocket URL.
    pub ticket: String,
    pub expires_at: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_as_it_was_told() {
        let tenant: TenantId = "acme-1".parse().unwrap();
        let ticket = Ticket::generate(&tenant).unwrap();
        let read = Ticket::parse(&ticket.reveal()).unwrap();
        assert_eq!((read.tenant(), read.digest()), (&tenant, ticket.digest()));
        assert_ne!(Ticket::generate(&tenant).unwrap().digest(), ticket.digest());
        for bad in ["", "wst_", "wst_acme", "wst_acme.", "wst_a#b.x", &format!("{}x", ticket.reveal())] {
            assert!(Ticket::parse(bad).is_none(), "{bad}");
        }
    }
}
