//! What is known of the end of a tenant's log: the next number, and the segments of the last
//! minutes. Whoever appends puts the next segment under its first number if nobody did; so a tail
//! that is out of date is found out by the write itself.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Event;
use crate::id::digest;

/// After how long a segment that someone else appended counts as pushed: more than an invocation
/// that appended it can last.
pub const SETTLED_AFTER: Duration = Duration::from_mins(2);
/// How much longer than needed a tail is kept.
const KEPT: Duration = Duration::from_mins(1);
/// The most events that all tails of an environment together remember: about 5 MB.
pub const REMEMBERED_MAX: usize = 100_000;

/// An event's id, in sixteen bytes instead of forty and a place of their own: an environment remembers
/// a hundred thousand.
type Key = [u8; 16];

fn key(event: &Event) -> Key {
    digest(&[&event.entity, &event.rev.to_string()])
}

/// A segment, as far as a tail remembers it.
#[derive(Debug, Clone)]
struct Segment {
    first: u64,
    last: u64,
    appended_at: Timestamp,
    is_pushed: bool,
}

/// The end of a log.
#[derive(Debug, Clone)]
pub struct Tail {
    next: u64,
    /// Every segment appended since is remembered.
    since: Timestamp,
    segments: Vec<Segment>,
    numbers: HashMap<Key, u64>,
}

impl Tail {
    /// The end of a log that goes on with `next`, all of whose segments since `since` are about to be
    /// [`remember`](Self::remember)ed.
    pub fn new(next: u64, since: Timestamp) -> Self {
        Self { next, since, segments: Vec::new(), numbers: HashMap::new() }
    }

    /// The number of the next event.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether every segment since `instant` is remembered.
    pub fn reaches(&self, instant: Timestamp) -> bool {
        self.since <= instant
    }

    /// The number of an event, if it is in a segment that is remembered.
    pub fn number(&self, event: &Event) -> Option<u64> {
        self.numbers.get(&key(event)).copied()
    }

    /// Remembers a segment, in any order.
    pub fn remember(&mut self, first: u64, appended_at: Timestamp, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        let numbers = events.iter().zip(first..);
        let mut last = first;
        for (event, seq) in numbers {
            self.numbers.insert(key(event), seq);
            last = seq;
        }
        self.next = self.next.max(last + 1);
        self.segments.push(Segment { first, last, appended_at, is_pushed: false });
    }

    /// Takes over what `earlier` knew to be pushed.
    pub fn inherit(&mut self, earlier: &Self) {
        for segment in &mut self.segments {
            let known = earlier.segments.iter().find(|known| known.first == segment.first);
            segment.is_pushed = known.is_some_and(|known| known.is_pushed);
        }
    }

    /// The cursor that may go with the event numbered `seq` while `batch`, sorted, is pushed: every event up to
    /// it has been pushed, is being pushed before it, or was appended by someone who has had the time.
    pub fn safe_number(&self, seq: u64, batch: &[u64], now: Timestamp) -> u64 {
        let in_batch = |number: u64| batch.binary_search(&number).is_ok();
        let unsettled = self.segments.iter().filter(|segment| {
            let age = now.duration_since(segment.appended_at).unsigned_abs();
            !segment.is_pushed && segment.first <= seq && age < SETTLED_AFTER
        });
        let missing = unsettled
            .filter_map(|segment| (segment.first..=segment.last.min(seq)).find(|number| !in_batch(*number)));
        missing.min().map_or(seq, |first_missing| first_missing - 1)
    }

    /// Whether the event with this number has been pushed from here.
    pub fn is_pushed(&self, number: u64) -> bool {
        self.segments
            .iter()
            .any(|segment| segment.is_pushed && (segment.first..=segment.last).contains(&number))
    }

    /// Notes that `batch` has been pushed, and forgets what was appended long before `needed_since`: a
    /// batch that is hours late still finds what was appended while it was.
    pub fn pushed(&mut self, batch: &[u64], needed_since: Timestamp) {
        let in_batch = |number: u64| batch.binary_search(&number).is_ok();
        for segment in &mut self.segments {
            segment.is_pushed = segment.is_pushed || (segment.first..=segment.last).all(in_batch);
        }
        let Ok(cut) = needed_since.checked_sub(KEPT) else {
            return;
        };
        if self.since < cut {
            self.segments.retain(|segment| segment.appended_at >= cut);
            let first = self.segments.iter().map(|segment| segment.first).min().unwrap_or(self.next);
            self.numbers.retain(|_, seq| *seq >= first);
            self.since = cut;
        }
    }

    /// How many events it remembers.
    pub fn remembered(&self) -> usize {
        self.numbers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventType;

    fn event(rev: u64) -> Event {
        Event {
            entity: "agt_1".to_owned(),
            rev,
            kind: EventType::AgentUpdated,
            at: Timestamp::UNIX_EPOCH,
            actor: "dev".parse().unwrap(),
            changed: Vec::new(),
            tags: Vec::new(),
        }
    }

    fn batch(numbers: std::ops::RangeInclusive<u64>) -> Vec<u64> {
        numbers.collect()
    }

    #[test]
    fn a_cursor_waits_for_what_others_may_not_have_pushed_yet() {
        let now = Timestamp::UNIX_EPOCH;
        let mut tail = Tail::new(1, now);
        tail.remember(1, now, &[event(1)]);
        tail.remember(2, now, &[event(2), event(3)]);
        assert_eq!(tail.safe_number(3, &batch(2..=3), now), 0, "1 is someone else's");
        assert_eq!(tail.safe_number(2, &batch(1..=3), now), 2);
        let later = now + SETTLED_AFTER;
        assert_eq!(tail.safe_number(3, &batch(2..=3), later), 3, "whoever appended 1 had the time");
        tail.pushed(&batch(1..=1), now);
        assert_eq!(tail.safe_number(3, &batch(2..=3), now), 3);
    }

    #[test]
    fn what_is_old_is_forgotten_and_known_to_be() {
        let start = Timestamp::UNIX_EPOCH;
        let mut tail = Tail::new(1, start);
        tail.remember(1, start, &[event(1)]);
        assert_eq!((tail.next(), tail.number(&event(1))), (2, Some(1)));
        tail.pushed(&[], start + Duration::from_mins(10));
        assert_eq!((tail.next(), tail.number(&event(1))), (2, None));
        assert!(!tail.reaches(start) && tail.reaches(start + Duration::from_mins(9)));
    }
}
