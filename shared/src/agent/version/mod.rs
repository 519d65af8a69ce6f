//! Versions: immutable snapshots of an agent's draft. A version's number is the `rev` of the head that it
//! was taken from, so numbers skip. The head says which numbers are committed; a snapshot that it does not
//! name is no version, whatever lies in the table. It knows no store, HTTP or clock.

pub mod store;
mod view;

use std::collections::BTreeSet;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use validator::Validate;

use super::{Agent, Content, Creation, Stamp};
use crate::error::{Error, Result};
use crate::id::{AgentId, digest};
use crate::violation::Violation;

pub use view::{Publication, VersionSummary, VersionView};

/// The numbers of an agent's committed versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions(BTreeSet<u64>);

impl Versions {
    pub fn contains(&self, number: u64) -> bool {
        self.0.contains(&number)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The version that was published last.
    pub fn last(&self) -> Option<u64> {
        self.0.last().copied()
    }

    /// The version that was published before `number`.
    pub fn before(&self, number: u64) -> Option<u64> {
        self.0.range(..number).next_back().copied()
    }

    /// Newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = u64> {
        self.0.iter().rev().copied()
    }

    /// These and `numbers`, as far as they are in `known`.
    #[must_use]
    pub fn joined(&self, numbers: impl Iterator<Item = u64>, known: &Self) -> Self {
        Self(self.0.iter().copied().chain(numbers).filter(|number| known.contains(*number)).collect())
    }

    /// Those that are here and not in `other`.
    pub fn without(&self, other: &Self) -> Vec<u64> {
        self.0.difference(&other.0).copied().collect()
    }

    /// These and `number`, the oldest left out while there are more than `kept_max`. One that `used` names
    /// is never left out, so there may be more.
    #[must_use]
    pub fn and(&self, number: u64, kept_max: Option<u64>, used: &BTreeSet<u64>) -> Self {
        let mut numbers = self.0.clone();
        numbers.insert(number);
        let kept_max = kept_max.map_or(usize::MAX, |max| usize::try_from(max.max(1)).unwrap_or(usize::MAX));
        let surplus = numbers.len().saturating_sub(kept_max);
        let unused: Vec<u64> =
            numbers.iter().filter(|one| **one != number && !used.contains(one)).copied().collect();
        for old in unused.into_iter().take(surplus) {
            numbers.remove(&old);
        }
        Self(numbers)
    }

    /// Differences between neighbours, each in groups of seven bits with the lowest first (LEB128): mostly
    /// a byte a version.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut last = 0;
        for number in &self.0 {
            let mut left = number - last;
            last = *number;
            while left >= 0x80 {
                bytes.push(u8::try_from(left & 0x7f).unwrap_or_default() | 0x80);
                left >>= 7;
            }
            bytes.push(u8::try_from(left).unwrap_or_default());
        }
        bytes
    }

    /// What [`Versions::to_bytes`] made; none of anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut numbers = BTreeSet::new();
        let (mut last, mut step, mut shift) = (0_u64, 0_u64, 0_u32);
        for byte in bytes {
            step |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 != 0 {
                shift += 7;
                continue;
            }
            last = last.checked_add(step)?;
            numbers.insert(last);
            (step, shift) = (0, 0);
        }
        (shift == 0).then_some(Self(numbers))
    }
}

impl FromIterator<u64> for Versions {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        Self(numbers.into_iter().collect())
    }
}

/// The number of a version, as paths and queries write it: digits, the first not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub u64);

/// The text is no number of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoNumber;

impl FromStr for Number {
    type Err = NoNumber;

    fn from_str(text: &str) -> Result<Self, NoNumber> {
        let number: u64 = text.parse().map_err(|_| NoNumber)?;
        if number > 0 && number.to_string() == text { Ok(Self(number)) } else { Err(NoNumber) }
    }
}

/// What the head knows of the version that was published last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub version: u64,
    /// Of its content: by it an unchanged draft is known.
    pub content: [u8; 16],
}

/// A version.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    pub agent: AgentId,
    pub number: u64,
    pub content: Content,
    pub release: Release,
    pub published: Stamp,
    /// The version that was published before.
    pub previous: Option<u64>,
    /// The request that published it.
    pub creation: Creation,
    /// Whether `live` was to lead to it only once another user accepts.
    pub is_asked: bool,
}

/// What a publication says of its version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PublishDocument")]
pub struct Release {
    #[serde(default)]
    #[validate(length(min = 1, max = 200))]
    pub title: Option<String>,
    /// What changed, and why.
    #[serde(default)]
    #[validate(length(min = 1, max = 4000))]
    pub notes: Option<String>,
}

impl Release {
    /// Reads what a publication says.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(document: Value) -> Result<Self> {
        super::read_bounded(document)
    }
}

/// Which version to go back to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackDocument {
    /// Absent means the one before that which `live` resolves to.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub version: Option<u64>,
}

/// By this two contents are told apart, in as few bytes as a head has room for.
pub fn fingerprint(content: &Content) -> [u8; 16] {
    let json = serde_json::to_string(content).expect("content is always JSON");
    digest(&[&json])
}

impl Agent {
    /// The version that the draft is, if it has not changed since.
    pub fn published_as(&self) -> Option<u64> {
        let published = self.published.filter(|published| published.content == fingerprint(&self.content));
        published.map(|published| published.version)
    }

    pub fn published_version(&self) -> Option<u64> {
        self.published.map(|published| published.version)
    }

    /// The numbers of the versions that aliases lead to.
    pub fn versions_in_use(&self) -> BTreeSet<u64> {
        self.aliases.values().flat_map(|alias| &alias.routes).map(|route| route.version).collect()
    }
}

/// A number of a version that the agent does not have, at `pointer`.
pub fn unknown_version(pointer: impl Into<String>) -> Error {
    Error::Invalid(vec![Violation::new(pointer, "unknown_version", "the agent has no such version")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_were_kept() {
        for numbers in
            [vec![], vec![1], vec![1, 2, 3], vec![127, 128, 255, 300, 70_000, u64::MAX / 2, u64::MAX]]
        {
            let versions: Versions = numbers.iter().copied().collect();
            assert_eq!(Versions::from_bytes(&versions.to_bytes()), Some(versions), "{numbers:?}");
        }
        let dense: Versions = (1_000_000..1_001_000).collect();
        assert!(dense.to_bytes().len() < 1_010, "a byte a version");
        for bad in [&[0x80][..], &[0xff; 11]] {
            assert_eq!(Versions::from_bytes(bad), None);
        }
    }

    #[test]
    fn the_oldest_go_but_for_those_in_use() {
        let versions: Versions = [1, 4, 6, 9].into_iter().collect();
        let kept = |used: &[u64], max| {
            let used = used.iter().copied().collect();
            versions.and(12, max, &used).0.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(kept(&[], Some(3)), [6, 9, 12]);
        assert_eq!(kept(&[1], Some(3)), [1, 9, 12]);
        assert_eq!(kept(&[1, 4, 6, 9], Some(3)), [1, 4, 6, 9, 12], "what is in use stays");
        assert_eq!(kept(&[], Some(0)), [12], "the newest stays");
        assert_eq!(kept(&[], None), [1, 4, 6, 9, 12]);
        assert_eq!((versions.before(6), versions.before(1), versions.last()), (Some(4), None, Some(9)));
    }
}
