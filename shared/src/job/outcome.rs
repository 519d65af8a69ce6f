//! What becomes of a job's items, and the decisions that lead there. A chunk decides once what it does with
//! each of its items, and writes that down before it does it; whoever runs the chunk again goes by the same
//! decisions.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{NoSuchOutcome, Undo};
use crate::id::AgentId;

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ItemOutcome")]
pub enum Outcome {
    /// Nothing yet.
    Pending,
    Changed,
    /// There was nothing to do.
    Unchanged,
    /// The service does not admit the change.
    Refused,
    /// The item is in a state that does not go with the change, or something else has changed it.
    Conflict,
    Missing,
    /// A defect of the service.
    Error,
    /// The job stopped before.
    Skipped,
    /// Its chunk could not be brought to its end.
    Stuck,
}

impl Outcome {
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Changed,
        Self::Unchanged,
        Self::Refused,
        Self::Conflict,
        Self::Missing,
        Self::Error,
        Self::Skipped,
        Self::Stuck,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Conflict => "conflict",
            Self::Missing => "missing",
            Self::Error => "error",
            Self::Skipped => "skipped",
            Self::Stuck => "stuck",
        }
    }

    /// Whether it counts as a failure.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Refused | Self::Conflict | Self::Missing | Self::Error => true,
            Self::Pending | Self::Changed | Self::Unchanged | Self::Skipped | Self::Stuck => false,
        }
    }

    /// Whether there is nothing left to try.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Changed | Self::Unchanged)
    }
}

impl FromStr for Outcome {
    type Err = NoSuchOutcome;

    fn from_str(text: &str) -> Result<Self, NoSuchOutcome> {
        Self::ALL.into_iter().find(|known| known.as_str() == text).ok_or(NoSuchOutcome)
    }
}

/// Why an item, or a job, failed: as the problem document that a single request would get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "JobProblem")]
pub struct Problem {
    pub code: String,
    pub detail: String,
    /// As `errors` of a problem document; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Value>,
}

impl Problem {
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.to_owned(), detail: detail.into(), errors: Vec::new() }
    }
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    #[serde(rename = "o", with = "letter")]
    pub outcome: Outcome,
    /// The `rev` that the change led to.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<u64>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The id of what was made, where the item is no agent's.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
}

impl Item {
    pub fn new(outcome: Outcome) -> Self {
        Self { outcome, rev: None, problem: None, made: None }
    }

    pub fn changed(rev: u64) -> Self {
        Self { rev: Some(rev), ..Self::new(Outcome::Changed) }
    }

    pub fn failed(outcome: Outcome, problem: Problem) -> Self {
        Self { problem: Some(problem), ..Self::new(outcome) }
    }
}

/// Outcomes are written in one letter: a chunk has a hundred.
mod letter {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Outcome;

    const LETTERS: [(Outcome, &str); 9] = [
        (Outcome::Pending, "p"),
        (Outcome::Changed, "c"),
        (Outcome::Unchanged, "u"),
        (Outcome::Refused, "r"),
        (Outcome::Conflict, "x"),
        (Outcome::Missing, "m"),
        (Outcome::Error, "e"),
        (Outcome::Skipped, "s"),
        (Outcome::Stuck, "t"),
    ];

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub fn serialize<S: Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
        let letter = LETTERS.iter().find(|(known, _)| known == outcome).map_or("e", |(_, letter)| letter);
        serializer.serialize_str(letter)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Outcome, D::Error> {
        let letter = String::deserialize(deserializer)?;
        let known = LETTERS.iter().find(|(_, known)| *known == letter);
        known.map(|(outcome, _)| *outcome).ok_or_else(|| D::Error::custom("no outcome"))
    }
}

/// What is done with an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Decision {
    /// It is changed from this `rev` on, and this takes the change back.
    Move {
        #[serde(rename = "f")]
        from: u64,
        #[serde(rename = "u", default, skip_serializing_if = "Undo::is_nothing")]
        undo: Undo,
        /// The agent, where the item does not name it.
        #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
        id: Option<AgentId>,
    },
    /// It is made.
    Make {
        #[serde(rename = "c")]
        id: AgentId,
    },
    /// It is not touched.
    Verdict {
        #[serde(rename = "v")]
        item: Item,
        /// What would be changed: a JSON Patch.
        #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
        patch: Option<Value>,
    },
}

impl Decision {
    pub fn verdict(item: Item) -> Self {
        Self::Verdict { item, patch: None }
    }
}

/// How many items came to which outcome. What is skipped is what remains of the total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub changed: u64,
    pub unchanged: u64,
    pub refused: u64,
    pub conflict: u64,
    pub missing: u64,
    pub error: u64,
    pub skipped: u64,
}

impl Counts {
    pub fn of(items: &[Item]) -> Self {
        let count = |outcome| items.iter().filter(|item| item.outcome == outcome).count() as u64;
        Self {
            changed: count(Outcome::Changed),
            unchanged: count(Outcome::Unchanged),
            refused: count(Outcome::Refused),
            conflict: count(Outcome::Conflict),
            missing: count(Outcome::Missing),
            error: count(Outcome::Error),
            skipped: count(Outcome::Skipped),
        }
    }

    pub fn done(self) -> u64 {
        self.changed + self.unchanged
    }

    pub fn failed(self) -> u64 {
        self.refused + self.conflict + self.missing + self.error
    }

    pub fn all(self) -> u64 {
        self.done() + self.failed() + self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_come_back_as_they_were_written() {
        let undo = Undo { patch: serde_json::json!([{"op": "remove", "path": "/tags"}]), ..Undo::default() };
        let failed = Item::failed(Outcome::Refused, Problem::new("entitlement_exceeded", "1 violation."));
        for decision in [
            Decision::Move { from: 7, undo, id: None },
            Decision::Move { from: 1, undo: Undo::default(), id: None },
            Decision::verdict(Item::new(Outcome::Missing)),
            Decision::verdict(failed),
            Decision::Verdict { item: Item::changed(3), patch: Some(serde_json::json!([])) },
        ] {
            let text = serde_json::to_string(&decision).unwrap();
            assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision, "{text}");
        }
    }
}
