//! The mapping of the table's stream to a function.
//!
//! Modelled: the filter, batches, partial failures (the stream resumes at the lowest record that
//! failed), bisection when the whole function fails, retries up to a number and an age, and what
//! happens to a record then: it is set aside and passed. Not modelled: more than one shard, batching
//! windows, and parallel batches of a shard.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_management::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::{Function, Turn, failures};
use crate::table::Engine;
use crate::table::stream::{Record, Trimmer, records};

/// Records that are read at once.
const READ_MAX: usize = 500;
/// After how many records the stream is trimmed.
const TRIM_EVERY: usize = 1_000;
const BACKOFF_FIRST: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The settings of a mapping, by Lambda's names.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The function's, by which the trimmer knows the reader.
    pub name: &'static str,
    pub batch_size: usize,
    pub maximum_retry_attempts: u32,
    pub maximum_record_age: Duration,
    pub bisect_batch_on_function_error: bool,
    /// Which records the function gets.
    pub filter: fn(&Value) -> bool,
}

/// A mapping.
#[derive(Debug)]
pub struct StreamMapping {
    engine: Engine,
    settings: Settings,
    function: Function,
    clock: Clock,
    trimmer: Option<Arc<Mutex<Trimmer>>>,
    state: AsyncMutex<State>,
    /// The count of writes up to which there was nothing left to do.
    settled: watch::Sender<u64>,
    /// Records that were given up, as the OnFailure destination has them.
    failed: Mutex<Vec<Value>>,
}

#[derive(Debug, Default)]
struct State {
    /// The last record that was read.
    read: i64,
    /// How many have been read since the stream was trimmed.
    untrimmed: usize,
    /// Read, admitted by the filter, and not handled yet.
    waiting: VecDeque<(Record, Timestamp)>,
    /// How many records the next batch may have, while a failing one is being bisected.
    bisected: Option<usize>,
    /// How often the first waiting record has failed by itself.
    attempts: u32,
}

impl StreamMapping {
    pub fn new(
        engine: Engine,
        settings: Settings,
        function: Function,
        clock: Clock,
        trimmer: Option<Arc<Mutex<Trimmer>>>,
    ) -> Self {
        if let Some(trimmer) = &trimmer {
            trimmer.lock().unwrap_or_else(PoisonError::into_inner).wait_for(settings.name);
        }
        Self {
            engine,
            settings,
            function,
            clock,
            trimmer,
            state: AsyncMutex::default(),
            settled: watch::Sender::new(0),
            failed: Mutex::default(),
        }
    }

    /// Invokes the function with the next batch, if there is one.
    ///
    /// # Errors
    /// The engine's, as text.
    pub async fn turn(&self) -> Result<Turn, String> {
        let mut state = self.state.lock().await;
        if state.waiting.is_empty() {
            let writes = *self.engine.writes().borrow();
            if self.read(&mut state)? == 0 {
                self.settled.send_replace(writes);
                self.trim(&mut state);
                return Ok(Turn::Idle);
            }
            if state.waiting.is_empty() {
                return Ok(Turn::Progress);
            }
        }
        Ok(self.invoke(&mut state).await)
    }

    /// Goes on forever. When the table can't be read, it tries again.
    pub async fn run(&self) {
        let mut writes = self.engine.writes();
        let mut backoff = BACKOFF_FIRST;
        loop {
            writes.mark_unchanged();
            let turn = self.turn().await.unwrap_or_else(|error| {
                tracing::error!(error, "the stream can't be read");
                Turn::Retry
            });
            match turn {
                Turn::Progress => backoff = BACKOFF_FIRST,
                Turn::Idle => {
                    // The sender is in the engine, which outlives this.
                    let _ = writes.changed().await;
                }
                Turn::Retry => {
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    /// Waits until everything that was written before the call has been handled.
    pub async fn settled(&self) {
        let now = *self.engine.writes().borrow();
        let mut settled = self.settled.subscribe();
        // The sender is in `self`.
        let _ = settled.wait_for(|count| *count >= now).await;
    }

    /// What was given up.
    pub fn failed(&self) -> Vec<Value> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read(&self, state: &mut State) -> Result<usize, String> {
        let found = records(&self.engine, state.read, READ_MAX)?;
        let (count, now) = (found.len(), self.clock.now());
        state.untrimmed += count;
        for record in found {
            state.read = record.position;
            if (self.settings.filter)(&record.json) {
                state.waiting.push_back((record, now));
            }
        }
        Ok(count)
    }

    async fn invoke(&self, state: &mut State) -> Turn {
        let size = state.bisected.unwrap_or(self.settings.batch_size).min(state.waiting.len());
        let batch: Vec<&Value> = state.waiting.iter().take(size).map(|(record, _)| &record.json).collect();
        let answer = self.function.invoke(json!({"Records": batch})).await;
        let failed = match &answer {
            Ok(answer) => failures(answer).and_then(|failed| lowest(state, size, &failed)),
            Err(error) => {
                tracing::warn!(%error, "the function failed");
                None
            }
        };
        match failed {
            // Everything before the lowest failure is done; the stream resumes there.
            Some(done) => {
                let is_partial = done < size;
                state.waiting.drain(..done);
                state.attempts = if done > 0 { 0 } else { state.attempts };
                state.bisected = None;
                if is_partial { self.failed_once(state) } else { Turn::Progress }
            }
            None if size > 1 && self.settings.bisect_batch_on_function_error => {
                state.bisected = Some(size / 2);
                Turn::Retry
            }
            None => self.failed_once(state),
        }
    }

    /// The first waiting record has failed: it is tried again, or given up.
    fn failed_once(&self, state: &mut State) -> Turn {
        state.attempts += 1;
        let now = self.clock.now();
        let age_max =
            SignedDuration::try_from(self.settings.maximum_record_age).unwrap_or(SignedDuration::MAX);
        let is_old = state.waiting.front().is_some_and(|(_, since)| now.duration_since(*since) > age_max);
        if state.attempts <= self.settings.maximum_retry_attempts && !is_old {
            return Turn::Retry;
        }
        if let Some((record, _)) = state.waiting.pop_front() {
            tracing::error!(sequence_number = record.sequence_number(), "a record is given up");
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).push(record.json);
        }
        state.attempts = 0;
        state.bisected = None;
        Turn::Progress
    }

    /// Removes what has been passed, once it is worth it. If that fails it is done later.
    fn trim(&self, state: &mut State) {
        let Some(trimmer) = self.trimmer.as_ref().filter(|_| state.untrimmed >= TRIM_EVERY) else {
            return;
        };
        match trimmer.lock().unwrap_or_else(PoisonError::into_inner).trim(self.settings.name, state.read) {
            Ok(_) => state.untrimmed = 0,
            Err(error) => tracing::warn!(%error, "the stream was not trimmed"),
        }
    }
}

/// How many records of the batch are done: those before the lowest that is named. None if one is named
/// that was not in the batch.
fn lowest(state: &State, size: usize, failed: &[String]) -> Option<usize> {
    let place = |name: &String| {
        state.waiting.iter().take(size).position(|(record, _)| record.sequence_number() == name)
    };
    let places: Option<Vec<usize>> = failed.iter().map(place).collect();
    Some(places?.into_iter().min().unwrap_or(size))
}
