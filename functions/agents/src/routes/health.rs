//! `GET /health/live` and `GET /health/ready`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use agent_management::error::{Error, Result};
use agent_management::http::documents::HealthDocument;
use agent_management::http::{Call, Reply};
use agent_management::violation::Violation;
use jiff::Timestamp;

use crate::Agents;

/// How long an answer about readiness stands, so that probes cost nothing.
const READINESS_AGE_MAX: Duration = Duration::from_secs(10);

/// The last answer about readiness, and when it was found.
#[derive(Debug, Default)]
pub struct Readiness {
    last: Mutex<Option<(Timestamp, bool)>>,
}

impl Readiness {
    fn known(&self, now: Timestamp) -> Option<bool> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (found_at, is_ready) = last?;
        let age = now.duration_since(found_at).unsigned_abs();
        (age < READINESS_AGE_MAX).then_some(is_ready)
    }

    fn learn(&self, now: Timestamp, is_ready: bool) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, is_ready));
    }
}

pub fn live() -> Result<Reply> {
    Reply::ok(&HealthDocument { status: "ok" })
}

pub async fn ready(agents: &Agents, call: &Call) -> Result<Reply> {
    let is_ready = match agents.readiness.known(call.now) {
        Some(known) => known,
        None => {
            let found = agents.base.store.ping().await.is_ok();
            agents.readiness.learn(call.now, found);
            found
        }
    };
    if is_ready {
        Reply::ok(&HealthDocument { status: "ok" })
    } else {
        Err(Error::NotReady(vec![Violation::new("", "table", "the table does not answer")]))
    }
}
