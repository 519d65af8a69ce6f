//! Requests that create something, and how their repetitions are told from new ones.

use jiff::Timestamp;

use crate::agent::Tombstone;
use crate::error::{Error, Result};
use crate::id::{UserId, digest, nonce};

/// The bit that tells what jobs do from all else, in creations and in operations.
pub(crate) const OF_JOB: u8 = 0x80;

/// The request that created a resource, as its head remembers it: eight bytes for the key under
/// which the request came and eight for what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Creation {
    pub under: [u8; 8],
    pub said: [u8; 8],
}

/// How a creation relates to the one that a head remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repetition {
    /// The same request once more.
    Replay,
    /// The same Idempotency-Key with another request.
    Reuse,
    /// Another request altogether.
    Unrelated,
}

/// What a creation means where something stands at the head already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// It is the request that made what stands there.
    Replay,
    /// Another request made what stands there.
    Taken,
    /// What is left of something that was deleted gives way, and its `rev` goes on.
    Revive { rev: u64 },
}

impl Creation {
    /// What it means where the request that is remembered as `earlier` made what stands there, or what is
    /// left of which is `tombstone`.
    ///
    /// # Errors
    /// [`Error::Deleted`] for a repetition of what was deleted since; [`Error::IdempotencyKeyReused`].
    pub fn meet(
        self,
        earlier: Option<Self>,
        tombstone: Option<&Tombstone>,
        now: Timestamp,
    ) -> Result<Meeting> {
        let repetition = earlier.map_or(Repetition::Unrelated, |earlier| self.compare(earlier));
        match (repetition, tombstone) {
            (Repetition::Replay, None) => Ok(Meeting::Replay),
            // A tombstone past its time is as good as gone, whether or not it has been removed yet.
            (_, Some(tombstone)) if tombstone.expires_at <= now => Ok(Meeting::Revive { rev: tombstone.rev }),
            (Repetition::Replay, Some(_)) => Err(Error::Deleted),
            (Repetition::Reuse, _) => Err(Error::IdempotencyKeyReused),
            (Repetition::Unrelated, None) => Ok(Meeting::Taken),
            (Repetition::Unrelated, Some(tombstone)) => Ok(Meeting::Revive { rev: tombstone.rev }),
        }
    }

    /// The bytes by which a head's ring of operations knows the request.
    pub fn operation(self) -> [u8; 8] {
        self.under
    }

    /// Without an Idempotency-Key, no other request is this one.
    pub fn new(caller: &UserId, request: &Request<'_>, now: Timestamp) -> Self {
        let nonce = request.idempotency_key.map_or_else(|| nonce(now), str::to_owned);
        let half = |parts: &[&str]| {
            let hash = digest(parts);
            std::array::from_fn(|index| hash[index])
        };
        let mut under = half(&[caller.as_str(), request.route, &nonce]);
        under[0] &= !OF_JOB;
        Self { under, said: half(&[request.said]) }
    }

    /// The same of an item of a job.
    pub fn of_job(mut self) -> Self {
        self.under[0] |= OF_JOB;
        self
    }

    pub fn is_of_job(self) -> bool {
        self.under[0] & OF_JOB != 0
    }

    pub fn compare(self, earlier: Self) -> Repetition {
        if self.under != earlier.under {
            Repetition::Unrelated
        } else if self.said == earlier.said {
            Repetition::Replay
        } else {
            Repetition::Reuse
        }
    }

    pub fn to_bytes(self) -> [u8; 16] {
        let [under, said] = [self.under, self.said];
        std::array::from_fn(|index| if index < 8 { under[index] } else { said[index - 8] })
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (under, said) = bytes.split_at_checked(8)?;
        Some(Self { under: under.try_into().ok()?, said: said.try_into().ok()? })
    }
}

/// A request that creates something, as far as its repetition is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub route: &'a str,
    pub idempotency_key: Option<&'a str>,
    /// Everything that the request says.
    pub said: &'a str,
}
