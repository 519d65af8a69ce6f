//! The one use case of both triggers: log changes, push them, and note that they are done.

use std::time::Duration;

use agent_management::error::{Error, Result};
use agent_management::event::store::{self, Appended, audit};
use agent_management::event::{Change, Event, SETTLED_AFTER, Tail};
use agent_management::id::TenantId;
use jiff::{SignedDuration, Timestamp};

use crate::StreamFanout;
use crate::push::Announced;

/// How far the clocks of who changes and who appends may be apart.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);
/// How often an append is tried again because someone else's came first.
const ATTEMPTS_MAX: u32 = 50;
const BACKOFF_MAX_MS: u64 = 20;

impl StreamFanout {
    /// Announces changes of one tenant, in their order. Idempotent by the events' ids.
    ///
    /// # Errors
    /// As the database's: then none of it counts as done.
    pub(crate) async fn announce(&self, tenant: &TenantId, changes: Vec<Change>) -> Result<()> {
        let changes = once_each(changes);
        if changes.is_empty() {
            return Ok(());
        }
        let mut tail = self.log(tenant, &changes).await?;
        let mut announced: Vec<Announced> = Vec::with_capacity(changes.len());
        for change in &changes {
            let seq = tail.number(&change.event).ok_or_else(|| Error::internal("an event has no number"))?;
            announced.push(Announced { seq, change });
        }
        announced.sort_by_key(|one| one.seq);
        let now = self.clock.now();
        let needed_since = self.back_to(&changes);
        // What this environment has pushed comes again only for the sake of others in its batch.
        if announced.iter().any(|one| !tail.is_pushed(one.seq)) {
            self.push(tenant, &announced, &tail, now).await?;
        }
        let numbers: Vec<u64> = announced.iter().map(|one| one.seq).collect();
        tail.pushed(&numbers, needed_since);
        self.memory.keep_tail(tenant, tail);
        self.hand_on(tenant, &announced, now).await?;
        audit::put(&self.base.store, tenant, &changes).await
    }

    /// Announces a change that has no audit row. If the log has its event, under whichever type, only the
    /// row was missing.
    ///
    /// # Errors
    /// As the database's.
    pub(crate) async fn announce_missing(&self, tenant: &TenantId, change: Change) -> Result<()> {
        let changes = vec![change];
        let tail = self.read_tail(tenant, self.back_to(&changes), None).await?;
        if changes.iter().all(|change| tail.number(&change.event).is_some()) {
            return audit::put(&self.base.store, tenant, &changes).await;
        }
        self.announce(tenant, changes).await
    }

    /// The end of the log with every one of `changes` in it.
    async fn log(&self, tenant: &TenantId, changes: &[Change]) -> Result<Tail> {
        let back_to = self.back_to(changes);
        let known = self.memory.take_tail(tenant);
        let mut tail = match known {
            Some(known) if known.reaches(back_to) => known,
            other => self.read_tail(tenant, back_to, other.as_ref()).await?,
        };
        for attempt in 0..ATTEMPTS_MAX {
            let missing: Vec<Event> = changes
                .iter()
                .filter(|change| tail.number(&change.event).is_none())
                .map(|change| change.event.clone())
                .collect();
            if missing.is_empty() {
                return Ok(tail);
            }
            match store::append(&self.base.store, tenant, &mut tail, &missing, self.clock.now()).await? {
                Appended::Done => {}
                Appended::Lost => {
                    if attempt > 0 {
                        let wait_ms = fastrand::u64(0..=BACKOFF_MAX_MS);
                        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                    }
                    tail = self.read_tail(tenant, back_to, Some(&tail)).await?;
                }
            }
        }
        Err(Error::Unavailable("others keep appending to the log".into()))
    }

    /// From when on a segment matters: it may have one of the changes, or what someone else has
    /// appended and not pushed yet. A clock that was set back makes no difference.
    fn back_to(&self, changes: &[Change]) -> Timestamp {
        let oldest = changes.iter().map(|change| change.event.at).min().unwrap_or(Timestamp::MAX);
        let settled = self.clock.now().checked_sub(SETTLED_AFTER).unwrap_or(Timestamp::MIN);
        oldest.checked_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN).min(settled)
    }

    async fn read_tail(&self, tenant: &TenantId, back_to: Timestamp, known: Option<&Tail>) -> Result<Tail> {
        let mut tail = store::read_tail(&self.base.store, tenant, back_to).await?;
        if let Some(known) = known {
            tail.inherit(known);
        }
        Ok(tail)
    }
}

/// The changes without repetitions of an event.
fn once_each(mut changes: Vec<Change>) -> Vec<Change> {
    let mut seen = std::collections::HashSet::new();
    changes.retain(|change| seen.insert(change.event.id()));
    changes
}
