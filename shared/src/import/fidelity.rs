//! What became of a file: each of its leaves is mapped, defaulted or dropped, exactly once, and what an
//! agent has beyond them is told as added. The [`Tracker`] keeps it so whatever the reader of a format does,
//! and knows no format.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::secrets::is_secret_name;
use crate::violation::pointer_segment;

/// Why a secret is dropped.
pub(super) const SECRET: &str = "a secret is not imported";
const NO_COUNTERPART: &str = "has no counterpart";
/// The most that the documents of one file may take, in bytes: parts that agents share are in each of them.
const WRITTEN_MAX_BYTES: usize = 16 * 1024 * 1024;

/// A leaf of the file that is in agents or templates.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Mapped {
    /// A JSON Pointer (RFC 6901) into the file; into the list of its lines where it has a record a line.
    pub from: String,
    /// JSON Pointers into the list of the agents' documents, where each has its versions, aliases and link to
    /// a template beside its own members; below `/templates`, into the list of the templates' documents.
    pub to: Vec<String>,
}

/// A leaf of the file that can't be used as it is: the agent has something else in its place.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Defaulted {
    pub from: String,
    pub to: String,
    pub reason: String,
}

/// A leaf of the file that no agent has.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Dropped {
    pub from: String,
    pub reason: String,
}

/// What an agent has and no leaf of the file says.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Added {
    pub to: String,
    pub reason: String,
}

/// Every leaf of a file, a scalar or something empty, is in one of `mapped`, `defaulted` and `dropped`,
/// once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Fidelity {
    pub mapped: Vec<Mapped>,
    pub defaulted: Vec<Defaulted>,
    pub dropped: Vec<Dropped>,
    pub added: Vec<Added>,
}

/// The pointers of a value's scalars, nulls, empty objects and empty lists, in their order.
pub fn leaves(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_leaves(&Place { pointer: String::new(), value }, &mut found);
    found
}

fn collect_leaves(place: &Place<'_>, found: &mut Vec<String>) {
    if place.is_leaf() {
        found.push(place.pointer.clone());
        return;
    }
    for item in place.items() {
        collect_leaves(&item, found);
    }
    for (_, member) in place.members() {
        collect_leaves(&member, found);
    }
}

/// The bytes of the pointers of all leaves below one whose own pointer has `above` bytes. They may be many
/// times those of the file, so they are counted before any is made.
pub(super) fn pointers_bytes(value: &Value, above: usize) -> usize {
    let inner = |name_bytes: usize, value: &Value| pointers_bytes(value, above + 1 + name_bytes);
    match value {
        Value::Array(items) if !items.is_empty() => {
            items.iter().fold(0, |sum, item| sum.saturating_add(inner(4, item)))
        }
        Value::Object(members) if !members.is_empty() => {
            members.iter().fold(0, |sum, (name, member)| sum.saturating_add(inner(name.len(), member)))
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => above,
    }
}

/// A part of the file, and where it is.
#[derive(Debug, Clone)]
pub(super) struct Place<'f> {
    pub pointer: String,
    pub value: &'f Value,
}

impl<'f> Place<'f> {
    pub fn member(&self, name: &str) -> Option<Self> {
        let value = self.value.as_object()?.get(name)?;
        Some(Self { pointer: format!("{}/{}", self.pointer, pointer_segment(name)), value })
    }

    /// The member of a member, and so on.
    pub fn at(&self, names: &[&str]) -> Option<Self> {
        names.iter().try_fold(self.clone(), |place, name| place.member(name))
    }

    /// An object's members; none of anything else.
    pub fn members(&self) -> Vec<(&'f str, Self)> {
        let members = self.value.as_object().into_iter().flatten();
        let place = |(name, value): (&'f String, &'f Value)| {
            let pointer = format!("{}/{}", self.pointer, pointer_segment(name));
            (name.as_str(), Self { pointer, value })
        };
        members.map(place).collect()
    }

    /// A list's items; none of anything else.
    pub fn items(&self) -> Vec<Self> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(|(index, value)| Self { pointer: format!("{}/{index}", self.pointer), value }).collect()
    }

    /// A text that says something.
    pub fn text(&self) -> Option<&'f str> {
        self.value.as_str().filter(|text| !text.trim().is_empty())
    }

    pub fn is_leaf(&self) -> bool {
        match self.value {
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }
}

/// What becomes of a leaf. Agents may share it: what one of them has of it outweighs what others leave.
#[derive(Debug, Clone)]
enum Fate {
    Open,
    Dropped(&'static str),
    Defaulted { to: String, reason: &'static str },
    Mapped(Vec<String>),
}

/// Knows every leaf of the file and what becomes of it.
#[derive(Debug)]
pub(super) struct Tracker {
    fates: Vec<(String, Fate)>,
    indexes: HashMap<String, usize>,
    added: Vec<Added>,
    written_bytes: usize,
}

impl Tracker {
    pub fn new(file: &Value) -> Self {
        let fates: Vec<_> = leaves(file).into_iter().map(|pointer| (pointer, Fate::Open)).collect();
        let indexes =
            fates.iter().enumerate().map(|(index, (pointer, _))| (pointer.clone(), index)).collect();
        Self { fates, indexes, added: Vec::new(), written_bytes: 0 }
    }

    /// Counts what documents and the pointers into them take; whether there is room for it. Once there is
    /// none, there is none for anything.
    pub fn spend(&mut self, bytes: usize) -> bool {
        self.written_bytes = self.written_bytes.saturating_add(bytes);
        !self.is_spent()
    }

    pub fn is_spent(&self) -> bool {
        self.written_bytes > WRITTEN_MAX_BYTES
    }

    /// Whether nothing has been said of a leaf.
    pub fn is_open(&self, pointer: &str) -> bool {
        self.indexes.get(pointer).is_some_and(|index| matches!(self.fates[*index].1, Fate::Open))
    }

    pub fn map(&mut self, from: &str, to: &str) {
        let Some(index) = self.indexes.get(from) else { return };
        let fate = &mut self.fates[*index].1;
        match fate {
            Fate::Open | Fate::Dropped(_) => *fate = Fate::Mapped(vec![to.to_owned()]),
            Fate::Defaulted { .. } => self.add(to, "says what a leaf says that is replaced elsewhere"),
            Fate::Mapped(places) => {
                if places.last().is_none_or(|last| last != to) {
                    places.push(to.to_owned());
                }
            }
        }
    }

    pub fn default(&mut self, from: &str, to: &str, reason: &'static str) {
        let Some(index) = self.indexes.get(from) else { return };
        let fate = &mut self.fates[*index].1;
        match fate {
            Fate::Open | Fate::Dropped(_) => *fate = Fate::Defaulted { to: to.to_owned(), reason },
            Fate::Defaulted { .. } | Fate::Mapped(_) => self.add(to, reason),
        }
    }

    /// Drops what nobody has taken of a part.
    pub fn drop(&mut self, part: &Place<'_>, reason: &'static str) {
        for leaf in leaves(part.value) {
            if let Some(index) = self.indexes.get(&format!("{}{leaf}", part.pointer)) {
                let fate = &mut self.fates[*index].1;
                if matches!(fate, Fate::Open) {
                    *fate = Fate::Dropped(reason);
                }
            }
        }
    }

    pub fn add(&mut self, to: &str, reason: &str) {
        self.added.push(Added { to: to.to_owned(), reason: reason.to_owned() });
    }

    /// Of two leaves that say the same, the other goes where the first has just gone.
    pub fn mirror(&mut self, first: &Place<'_>, other: &Place<'_>) {
        let Some(index) = self.indexes.get(&first.pointer) else { return };
        let Fate::Mapped(places) = &self.fates[*index].1 else { return };
        if first.value != other.value || first.pointer == other.pointer {
            return;
        }
        // Where the other has been before, the first has been too.
        let is_new = self.is_open(&other.pointer);
        let start = if is_new { 0 } else { places.len().saturating_sub(1) };
        let places = places[start..].to_vec();
        for place in places {
            self.map(&other.pointer, &place);
        }
    }

    /// Drops what nobody has taken.
    pub fn finish(self) -> Fidelity {
        let mut fidelity = Fidelity { added: self.added, ..Fidelity::default() };
        for (from, fate) in self.fates {
            match fate {
                Fate::Mapped(to) => fidelity.mapped.push(Mapped { from, to }),
                Fate::Defaulted { to, reason } => {
                    fidelity.defaulted.push(Defaulted { from, to, reason: reason.to_owned() });
                }
                Fate::Dropped(reason) => fidelity.dropped.push(Dropped { from, reason: reason.to_owned() }),
                Fate::Open => {
                    let reason = if from.split('/').any(is_secret_name) { SECRET } else { NO_COUNTERPART };
                    fidelity.dropped.push(Dropped { from, reason: reason.to_owned() });
                }
            }
        }
        fidelity
    }
}

/// What holds of every account, whatever the format.
#[cfg(test)]
pub(super) mod laws {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Map, Value, json};

    use super::{Fidelity, leaves};
    use crate::import::Reading;

    /// A part with its document's members as its own.
    fn spread(part: Value) -> Value {
        let Value::Object(mut members) = part else { panic!("a part is an object") };
        if let Some(Value::Object(document)) = members.remove("document") {
            members.extend(document);
        }
        members.remove("source_id");
        for version in members.get_mut("versions").and_then(Value::as_array_mut).into_iter().flatten() {
            *version = spread(version.take());
        }
        Value::Object(members)
    }

    /// What the pointers of an account lead into.
    pub fn tree(reading: &Reading) -> Value {
        let mut tree = Map::new();
        for (index, agent) in reading.agents.iter().enumerate() {
            let mut whole = json!(agent.beside);
            whole["document"] = agent.document.clone();
            tree.insert(index.to_string(), spread(whole));
        }
        if !reading.templates.is_empty() {
            let templates = reading.templates.iter().map(|template| spread(json!(template)));
            tree.insert("templates".to_owned(), templates.collect());
        }
        Value::Object(tree)
    }

    fn is_scalar(value: &Value) -> bool {
        !value.is_array() && !value.is_object()
    }

    /// A pointer, and those of everything that it is in.
    fn itself_and_parents(pointer: &str) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(pointer), |place| place.rsplit_once('/').map(|(parent, _)| parent))
    }

    /// The laws of every reading.
    pub fn check(file: &Value, reading: &Reading, case: &str) {
        let documents = tree(reading);
        let Fidelity { mapped, defaulted, dropped, added } = &reading.fidelity;
        let mut from: Vec<_> = mapped.iter().map(|leaf| leaf.from.clone()).collect();
        from.extend(defaulted.iter().map(|leaf| leaf.from.clone()));
        from.extend(dropped.iter().map(|leaf| leaf.from.clone()));
        from.sort_unstable();
        let mut all = leaves(file);
        all.sort_unstable();
        assert_eq!(from, all, "{case}");

        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let of_mapped = mapped.iter().flat_map(|leaf| &leaf.to);
        let others = defaulted.iter().map(|leaf| &leaf.to).chain(added.iter().map(|place| &place.to));
        for place in of_mapped.chain(others) {
            assert!(documents.pointer(place).is_some(), "{place} of {documents}\n{case}");
            *places.entry(place).or_default() += 1;
        }
        if documents != json!({}) {
            for leaf in leaves(&documents) {
                let is_told = itself_and_parents(&leaf).any(|place| places.contains_key(place));
                assert!(is_told, "{leaf} of {documents} comes from nowhere\n{case}");
            }
        }
        for leaf in mapped {
            let distinct: BTreeSet<_> = leaf.to.iter().collect();
            assert!(!distinct.is_empty() && distinct.len() == leaf.to.len(), "{leaf:?}\n{case}");
            let [to] = leaf.to.as_slice() else { continue };
            let (was, is) = (file.pointer(&leaf.from).unwrap(), documents.pointer(to).unwrap());
            if places[to.as_str()] == 1 && is_scalar(was) && is_scalar(is) {
                let is_alike = was == is || is.as_str() == Some(was.to_string().as_str());
                assert!(is_alike, "{leaf:?}: {was} became {is}\n{case}");
            }
        }
    }
}
