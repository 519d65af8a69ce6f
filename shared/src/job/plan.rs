//! How a job's chunks follow each other. Chunks are numbered from 1; a chunk's lane follows from its number. A
//! lane runs its chunks one after the other: whoever ends one releases the next. Waves are barriers: the first
//! chunks of a wave are released when the one before it is behind every lane.

use serde::{Deserialize, Serialize};

use super::{CHUNK_MAX, Job};

/// How many chunks of a job run at once.
pub const LANES: usize = 8;
const LANES_U32: u32 = 8;

/// What a job was planned into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Tells the chunks of this plan from those of another try at planning.
    pub name: String,
    pub chunks: u32,
    /// How many items the chunks have in all.
    pub total: u64,
    /// How many chunks a wave has; all without a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<u32>,
    /// How many chunks are a part of their own, before all others; 0 without one.
    #[serde(default)]
    pub first: u32,
}

/// What follows once a chunk is behind its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Release(Vec<u32>),
    /// The job has come to its end.
    Finish,
    /// Others go on.
    Nothing,
}

/// The chunks of a wave, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wave {
    first: u32,
    last: u32,
}

/// A chunk's lane.
pub fn lane(chunk: u32) -> usize {
    usize::try_from(chunk.saturating_sub(1) % LANES_U32).unwrap_or_default()
}

impl Plan {
    /// How many items a chunk has and how many chunks a wave, so that a wave has at most `wave_size` items.
    pub fn cut(wave_size: Option<u64>) -> (usize, Option<u32>) {
        let Some(wave_size) = wave_size.map(|size| usize::try_from(size).unwrap_or(usize::MAX)) else {
            return (CHUNK_MAX, None);
        };
        let chunks = wave_size.div_ceil(CHUNK_MAX).max(1);
        ((wave_size / chunks).max(1), Some(u32::try_from(chunks).unwrap_or(u32::MAX)))
    }

    fn wave(&self, chunk: u32) -> Wave {
        if chunk <= self.first {
            return Wave { first: 1, last: self.first };
        }
        let length = self.wave.unwrap_or(u32::MAX);
        let before = (chunk - self.first - 1) / length;
        let first = self.first + 1 + before * length;
        Wave { first, last: first.saturating_add(length - 1).min(self.chunks) }
    }

    /// The chunks that begin.
    pub fn begin(&self) -> Vec<u32> {
        if self.chunks == 0 { Vec::new() } else { self.wave(1).begin() }
    }
}

impl Wave {
    fn begin(self) -> Vec<u32> {
        (self.first..=self.last).take(LANES).collect()
    }

    fn last_in_lane_of(self, chunk: u32) -> u32 {
        chunk + (self.last - chunk) / LANES_U32 * LANES_U32
    }

    fn is_behind(self, lanes: &[u32; LANES]) -> bool {
        self.begin().into_iter().all(|chunk| lanes[lane(chunk)] >= self.last_in_lane_of(chunk))
    }
}

impl Job {
    /// Whether the chunk is behind its lane.
    pub fn is_behind(&self, chunk: u32) -> bool {
        self.lanes[lane(chunk)] >= chunk
    }

    /// What follows the chunk, which is behind its lane. The same however often it is asked. A job that stops goes
    /// through all of its chunks, too: who can say of one that nobody has begun it is only who decides so in the
    /// chunk's own record.
    pub fn after(&self, chunk: u32) -> Next {
        let Some(plan) = self.plan.as_ref().filter(|plan| (1..=plan.chunks).contains(&chunk)) else {
            return Next::Nothing;
        };
        // A chunk that was stuck may come to its end when all else has.
        let is_mended = self.is_mended();
        if self.state.is_ended() && !is_mended {
            return Next::Nothing;
        }
        let wave = plan.wave(chunk);
        if !wave.is_behind(&self.lanes) {
            let next = chunk + LANES_U32;
            // Where the lane has gone further, the next one was released: a message that comes again is no
            // second chain.
            let is_next = self.lanes[lane(chunk)] == chunk && next <= wave.last;
            return if is_next { Next::Release(vec![next]) } else { Next::Nothing };
        }
        if wave.last >= plan.chunks || is_mended {
            return Next::Finish;
        }
        let begin = plan.wave(wave.last + 1).begin();
        Next::Release(begin.into_iter().filter(|chunk| !self.is_behind(*chunk)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Stamp;
    use crate::id::JobId;
    use crate::job::{Spec, State, What};
    use jiff::Timestamp;

    fn a_job(chunks: u32, wave: Option<u32>, first: u32) -> Job {
        let now = Timestamp::UNIX_EPOCH;
        let spec = Spec::of_all(What::RebuildIndex);
        let mut job = Job::new(JobId::generate(now), &spec, &"dev".parse().unwrap(), now);
        job.state = State::Running;
        job.plan = Some(Plan { name: "p".to_owned(), chunks, total: u64::from(chunks), wave, first });
        job
    }

    /// Runs a job whose chunks end in a random order, some of them told of several times; the chunks in the
    /// order in which they ended.
    fn run(job: &mut Job, random: &mut fastrand::Rng, stop_after: usize) -> Vec<u32> {
        let mut released = job.plan.as_ref().unwrap().begin();
        let mut ended = Vec::new();
        let mut finished = 0;
        while !released.is_empty() {
            let chunk = released.swap_remove(random.usize(..released.len()));
            if !job.is_behind(chunk) {
                if ended.len() >= stop_after {
                    job.cancelled = Some(Stamp { at: Timestamp::UNIX_EPOCH, by: "dev".parse().unwrap() });
                } else {
                    ended.push(chunk);
                }
                job.lanes[lane(chunk)] = chunk;
            }
            for _ in 0..if random.u8(..) < 20 { 2 } else { 1 } {
                match job.after(chunk) {
                    Next::Release(next) => released.extend(next),
                    Next::Finish => finished += 1,
                    Next::Nothing => {}
                }
            }
        }
        assert!(finished > 0, "it comes to its end: {:?}", job.lanes);
        ended
    }

    #[test]
    fn every_chunk_runs_once_and_waves_do_not_mix() {
        let mut random = fastrand::Rng::with_seed(8);
        for _ in 0..2_000 {
            let first = if random.bool() { random.u32(1..12) } else { 0 };
            let chunks = first + random.u32(1..60);
            let wave = random.bool().then(|| random.u32(1..20));
            let mut job = a_job(chunks, wave, first);
            let ended = run(&mut job, &mut random, usize::MAX);
            let mut sorted = ended.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (1..=chunks).collect::<Vec<_>>());
            let plan = job.plan.as_ref().unwrap();
            let waves: Vec<u32> = ended.iter().map(|chunk| plan.wave(*chunk).first).collect();
            assert!(waves.is_sorted(), "{waves:?}");
        }
    }

    #[test]
    fn a_job_that_stops_comes_to_its_end() {
        let mut random = fastrand::Rng::with_seed(9);
        for _ in 0..2_000 {
            let chunks = random.u32(1..60);
            let wave = random.bool().then(|| random.u32(1..20));
            let stop_after = random.usize(0..=usize::try_from(chunks).unwrap());
            run(&mut a_job(chunks, wave, 0), &mut random, stop_after);
        }
    }

    #[test]
    fn a_wave_has_at_most_as_many_items_as_were_said() {
        for wave_size in 1..2_000 {
            let (chunk, wave) = Plan::cut(Some(wave_size));
            let items = chunk as u64 * u64::from(wave.unwrap());
            assert!(
                (1..=CHUNK_MAX).contains(&chunk) && items <= wave_size,
                "{wave_size}: {chunk} x {wave:?}"
            );
            assert!(items + 20 > wave_size, "{wave_size}: {items}");
        }
        assert_eq!(Plan::cut(None), (CHUNK_MAX, None));
    }
}
