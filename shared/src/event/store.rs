//! A tenant's event log in the table: segments of up to 64 events, each under its first number, put
//! if nobody has put one there and never written again. That is what keeps the log dense, and what
//! tells an appender that it was not alone.

pub mod audit;

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Event, Filter, Numbered, Tail};
use crate::dynamo::{Item, Store, from_item, keys, text, to_item};
use crate::error::{Error, Result};
use crate::id::TenantId;

/// The most events of a segment.
pub const SEGMENT_EVENTS_MAX: usize = 64;
/// The most bytes of a segment's events, far below an item's limit.
const SEGMENT_BYTES_MAX: usize = 128 * 1024;
/// How long a segment is kept, in seconds: 31 days, a day past the longest window of any tier.
const SEGMENT_AGE_S: i64 = 31 * 24 * 3_600;
/// How long before its end the last segment is kept for longer, in seconds: ten days, in which a
/// schedule that fails has to be mended.
const KEPT_AHEAD_S: i64 = 10 * 24 * 3_600;
/// The most segments that one read of the log looks at.
const READ_SEGMENTS_MAX: i32 = 16;

/// How often a read of the newest events goes on when few of them are wanted.
const READ_LAST_PAGES_MAX: usize = 8;

const ENTITY: &str = "events";

#[derive(Debug, Serialize, Deserialize)]
struct SegmentItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    entity: String,
    /// When it was appended, in milliseconds since the epoch.
    at: i64,
    /// JSON: the events, in order.
    events: String,
    /// Seconds since the epoch.
    ttl: i64,
}

/// A segment as it was read.
#[derive(Debug)]
struct Segment {
    first: u64,
    appended_at: Timestamp,
    events: Vec<Event>,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// As many of the events as one segment takes are in the log, from the first on.
    Done,
    /// Someone else has appended since the tail was read.
    Lost,
}

/// The end of the tenant's log with every segment appended since `back_to`, read consistently.
///
/// # Errors
/// As the database's.
pub async fn read_tail(store: &Store, tenant: &TenantId, back_to: Timestamp) -> Result<Tail> {
    let mut tail = Tail::new(1, back_to);
    let mut start = None;
    // Of a quiet log one segment is enough; each page is larger than the one before.
    let mut limit = 1;
    loop {
        let output = segments(store, tenant).scan_index_forward(false).limit(limit);
        let output = output.set_exclusive_start_key(start.take()).send().await?;
        let mut is_old_enough = false;
        for item in output.items.unwrap_or_default() {
            let segment = read_segment(item)?;
            is_old_enough = segment.appended_at < back_to;
            if is_old_enough && tail.next() > 1 {
                break;
            }
            tail.remember(segment.first, segment.appended_at, &segment.events);
        }
        if is_old_enough || output.last_evaluated_key.is_none() {
            return Ok(tail);
        }
        start = output.last_evaluated_key;
        limit = (limit * 4).min(READ_SEGMENTS_MAX * 4);
    }
}

/// Appends as many of `events` as fit in one segment after `tail`, if nobody has appended since the
/// tail was read. Idempotent: the very segment is recognised when it is there already.
///
/// # Errors
/// As the database's.
pub async fn append(
    store: &Store,
    tenant: &TenantId,
    tail: &mut Tail,
    events: &[Event],
    now: Timestamp,
) -> Result<Appended> {
    let (count, json) = segment_json(events)?;
    let key = keys::event_segment(tenant, tail.next());
    let item = to_item(&SegmentItem {
        pk: key.pk,
        sk: key.sk,
        entity: ENTITY.to_owned(),
        at: now.as_millisecond(),
        events: json.clone(),
        ttl: now.as_second() + SEGMENT_AGE_S,
    })?;
    let put = store
        .client
        .put_item()
        .table_name(&store.table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(PK)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    if let Err(error) = put.send().await {
        let Some(there) = refused(&error) else {
            return Err(error.into());
        };
        // The answer to this very write was lost, or the same events came to someone else as well.
        if there.get("events") != Some(&text(json)) {
            return Ok(Appended::Lost);
        }
    }
    tail.remember(tail.next(), now, &events[..count]);
    Ok(Appended::Done)
}

/// Puts off the end of the log's last segment, if it is near: the next number follows from it, however
/// long nothing happens.
///
/// # Errors
/// As the database's.
pub async fn keep_last(store: &Store, tenant: &TenantId, now: Timestamp) -> Result<()> {
    let output = segments(store, tenant).scan_index_forward(false).limit(1).send().await?;
    let Some(item) = output.items.unwrap_or_default().into_iter().next() else {
        return Ok(());
    };
    let last: SegmentItem = from_item(item)?;
    if last.ttl - now.as_second() > KEPT_AHEAD_S {
        return Ok(());
    }
    let key = keys::Key { pk: last.pk, sk: last.sk };
    let update = store
        .client
        .update_item()
        .table_name(&store.table)
        .set_key(Some(key.to_item()))
        .update_expression("SET #ttl = :ttl")
        .condition_expression("attribute_exists(PK)")
        .expression_attribute_names("#ttl", keys::TTL)
        .expression_attribute_values(
            ":ttl",
            AttributeValue::N((now.as_second() + SEGMENT_AGE_S).to_string()),
        );
    update.send().await?;
    Ok(())
}

/// How many of the events make up the next segment, and their JSON.
fn segment_json(events: &[Event]) -> Result<(usize, String)> {
    let mut count = events.len().min(SEGMENT_EVENTS_MAX);
    loop {
        let json = serde_json::to_string(&events[..count])
            .map_err(|_| Error::internal("events have no form as JSON"))?;
        if json.len() <= SEGMENT_BYTES_MAX || count <= 1 {
            return Ok((count, json));
        }
        count = count.div_ceil(2);
    }
}

/// What a read of the log found.
#[derive(Debug)]
pub struct Read {
    pub events: Vec<Numbered>,
    /// Whether there was nothing after it.
    pub is_at_end: bool,
    /// When the first of the events was appended, if there is one.
    pub oldest: Option<Timestamp>,
}

/// The events after the one numbered `after`, up to a bounded number of segments, read consistently.
/// One query where `after` ends a segment, else two.
///
/// # Errors
/// As the database's.
pub async fn read_after(store: &Store, tenant: &TenantId, after: u64) -> Result<Read> {
    let output = segments_from(store, tenant, after + 1).limit(READ_SEGMENTS_MAX).send().await?;
    let is_at_end = output.last_evaluated_key.is_none();
    let mut found: Vec<Segment> =
        output.items.unwrap_or_default().into_iter().map(read_segment).collect::<Result<_>>()?;
    if after > 0 && found.first().is_none_or(|segment| segment.first > after + 1) {
        // The next event may stand in the segment that has this one.
        if let Some(segment) = first_of(segments_through(store, tenant, after)).await? {
            found.insert(0, segment);
        }
    }
    let mut read = Read { events: Vec::new(), is_at_end, oldest: None };
    for segment in found {
        let numbered = (segment.first..).zip(segment.events).filter(|(seq, _)| *seq > after);
        for (seq, event) in numbered {
            read.oldest.get_or_insert(segment.appended_at);
            read.events.push(Numbered { seq, event });
        }
    }
    Ok(read)
}

/// The newest `count` events that the filter admits, oldest first, of those within `window` before
/// `now`, and the number of the log's last event. It looks at a bounded number of segments.
///
/// # Errors
/// As the database's.
pub async fn read_last(
    store: &Store,
    tenant: &TenantId,
    count: usize,
    filter: &Filter,
    window: Duration,
    now: Timestamp,
) -> Result<(Vec<Numbered>, u64)> {
    let mut found = Vec::new();
    let mut newest = 0;
    let mut start = None;
    for _ in 0..READ_LAST_PAGES_MAX {
        let page = segments(store, tenant).scan_index_forward(false).limit(READ_SEGMENTS_MAX);
        let output = page.set_exclusive_start_key(start.take()).send().await?;
        for item in output.items.unwrap_or_default() {
            let segment = read_segment(item)?;
            newest = newest.max(segment.first + segment.events.len() as u64 - 1);
            if now.duration_since(segment.appended_at) > window_of(window) {
                return Ok((oldest_first(found), newest));
            }
            let numbered: Vec<(u64, Event)> = (segment.first..).zip(segment.events).collect();
            for (seq, event) in numbered.into_iter().rev().filter(|(_, event)| filter.admits(event)) {
                found.push(Numbered { seq, event });
                if found.len() == count {
                    return Ok((oldest_first(found), newest));
                }
            }
        }
        start = output.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    Ok((oldest_first(found), newest))
}

fn oldest_first(mut events: Vec<Numbered>) -> Vec<Numbered> {
    events.reverse();
    events
}

/// The number of the log's last event; 0 of an empty log. Read consistently.
///
/// # Errors
/// As the database's.
pub async fn last_number(store: &Store, tenant: &TenantId) -> Result<u64> {
    let last = first_of(segments(store, tenant).scan_index_forward(false)).await?;
    Ok(last.map_or(0, |segment| segment.first + segment.events.len() as u64 - 1))
}

/// Checks that every event after the one numbered `after` is still within `window` before `now`.
/// `read` is what [`read_after`] found there.
///
/// # Errors
/// [`Error::CursorExpired`] when one is not, or was removed already.
pub fn check_window(read: &Read, after: u64, window: Duration, now: Timestamp) -> Result<()> {
    let Some(first) = read.events.first() else {
        return Ok(());
    };
    let is_old = read.oldest.is_some_and(|oldest| now.duration_since(oldest) > window_of(window));
    if first.seq > after + 1 || is_old { Err(Error::CursorExpired) } else { Ok(()) }
}

fn window_of(window: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(window).unwrap_or(jiff::SignedDuration::MAX)
}

/// The number before the first event that was appended within `window` before `now`: where to read
/// from to get all that the tenant may see. It halves the log by numbers, a segment each time.
///
/// # Errors
/// As the database's.
pub async fn window_start(store: &Store, tenant: &TenantId, window: Duration, now: Timestamp) -> Result<u64> {
    let is_within = |segment: &Segment| now.duration_since(segment.appended_at) <= window_of(window);
    let last_of = |segment: &Segment| segment.first + segment.events.len() as u64 - 1;
    let Some(newest) = first_of(segments(store, tenant).scan_index_forward(false)).await? else {
        return Ok(0);
    };
    if !is_within(&newest) {
        return Ok(last_of(&newest));
    }
    let Some(oldest) = first_of(segments(store, tenant)).await?.filter(|oldest| !is_within(oldest)) else {
        return Ok(0);
    };
    // The first segment within the window begins above `outside` and at most at `inside`.
    let (mut outside, mut inside) = (last_of(&oldest), newest.first);
    while outside + 1 < inside {
        let middle = outside + (inside - outside) / 2;
        let Some(segment) = first_of(segments_through(store, tenant, middle)).await? else {
            break;
        };
        if is_within(&segment) {
            inside = segment.first;
        } else {
            outside = last_of(&segment).max(middle);
        }
    }
    Ok(inside - 1)
}

/// The first segment that a query finds.
async fn first_of(query: QueryFluentBuilder) -> Result<Option<Segment>> {
    let output = query.limit(1).send().await?;
    output.items.unwrap_or_default().into_iter().next().map(read_segment).transpose()
}

fn segments(store: &Store, tenant: &TenantId) -> QueryFluentBuilder {
    store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("PK = :log")
        .expression_attribute_values(":log", text(keys::event_segment(tenant, 0).pk))
        .consistent_read(true)
}

fn segments_from(store: &Store, tenant: &TenantId, first: u64) -> QueryFluentBuilder {
    segments(store, tenant)
        .key_condition_expression("PK = :log AND SK >= :first")
        .expression_attribute_values(":first", text(keys::event_segment(tenant, first).sk))
}

fn segments_through(store: &Store, tenant: &TenantId, last: u64) -> QueryFluentBuilder {
    segments(store, tenant)
        .key_condition_expression("PK = :log AND SK <= :last")
        .expression_attribute_values(":last", text(keys::event_segment(tenant, last).sk))
        .scan_index_forward(false)
}

fn read_segment(item: Item) -> Result<Segment> {
    let unreadable = || Error::internal("a segment of the event log cannot be read");
    let item: SegmentItem = from_item(item)?;
    Ok(Segment {
        first: item.sk.parse().map_err(|_| unreadable())?,
        appended_at: Timestamp::from_millisecond(item.at).map_err(|_| unreadable())?,
        events: serde_json::from_str(&item.events).map_err(|_| unreadable())?,
    })
}

/// What stands where a put was refused.
pub(crate) fn refused<R>(error: &SdkError<PutItemError, R>) -> Option<Item> {
    match error.as_service_error()? {
        PutItemError::ConditionalCheckFailedException(refused) => {
            Some(refused.item().cloned().unwrap_or_default())
        }
        _ => None,
    }
}
