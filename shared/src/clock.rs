//! Time as a value that is passed in. Handlers ask a [`Clock`] once per request; everything below
//! them takes `now`. It never reads time zones: all instants are UTC, in whole milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// A source of the current instant, which a test or the local host can move.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Arc<Source>,
}

#[derive(Debug)]
enum Source {
    /// The system's clock plus an offset in milliseconds.
    System { offset_ms: AtomicI64 },
    /// A clock that stands still until it is advanced, in milliseconds since the Unix epoch.
    Manual { now_ms: AtomicI64 },
}

impl Clock {
    /// The system's clock, which [`Clock::advance`] moves ahead.
    pub fn system() -> Self {
        Self { source: Arc::new(Source::System { offset_ms: AtomicI64::new(0) }) }
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self { source: Arc::new(Source::Manual { now_ms: AtomicI64::new(start.as_millisecond()) }) }
    }

    /// The current instant, cut to whole milliseconds.
    pub fn now(&self) -> Timestamp {
        let ms = match self.source.as_ref() {
            Source::System { offset_ms } => {
                Timestamp::now().as_millisecond().saturating_add(offset_ms.load(Ordering::Relaxed))
            }
            Source::Manual { now_ms } => now_ms.load(Ordering::Relaxed),
        };
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
    }

    /// Moves every holder of this clock ahead by `step`.
    pub fn advance(&self, step: Duration) {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        let counter = match self.source.as_ref() {
            Source::System { offset_ms } => offset_ms,
            Source::Manual { now_ms } => now_ms,
        };
        counter.fetch_add(step_ms, Ordering::Relaxed);
    }
}

/// Formats an instant as RFC 3339 in UTC with exactly three decimals, so that the texts sort as
/// the instants do.
pub fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_advanced() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let other_holder = clock.clone();
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_millis(1500));
        assert_eq!(rfc3339(other_holder.now()), "1970-01-01T00:00:01.500Z");
    }

    #[test]
    fn instants_always_have_three_decimals() {
        assert_eq!(rfc3339(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }
}
