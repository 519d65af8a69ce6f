//! What became of a file: each of its leaves is mapped, defaulted or dropped, exactly once, and what an
//! agent has beyond them is told as added. The [`Tracker`] keeps it so whatever the reader of a format does,
//! and knows no format. It also says what looks like a secret, which no agent is given.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::violation::pointer_segment;

/// Why a secret is dropped.
pub(super) const SECRET: &str = "a secret is not imported";
const NO_COUNTERPART: &str = "has no counterpart";
/// The most that the documents of one file may take, in bytes: parts that agents share are in each of them.
const WRITTEN_MAX_BYTES: usize = 16 * 1024 * 1024;

/// A leaf of the file that is in agents.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Mapped {
    /// A JSON Pointer (RFC 6901) into the file; into the list of its lines where it has a record a line.
    pub from: String,
    /// JSON Pointers into the list of the agents' documents.
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

/// Whether what has this name looks like a secret. What is one goes before what only looks like one stays.
pub(super) fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["secret", "secrets", "auth", "bearer", "cookie", "cookies", "env", "jwt", "pwd"];
    const JOINED: [&str; 11] = [
        "accesskey",
        "apikey",
        "authorization",
        "clientsecret",
        "connectionstring",
        "credential",
        "environmentvariables",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
    ];
    /// What keys and tokens are called that are no secrets.
    const HARMLESS: [&str; 14] = [
        "bos",
        "cache",
        "end",
        "eos",
        "foreign",
        "max",
        "min",
        "num",
        "partition",
        "primary",
        "public",
        "sort",
        "stop",
        "termination",
    ];
    const OF_TOKENS: [&str; 6] = ["access", "api", "auth", "bot", "refresh", "session"];
    let words = words(name);
    let Some((last, before)) = words.split_last() else { return false };
    let joined = words.concat();
    let before_last = before.last().map_or("", String::as_str);
    let is_harmless = before.first().is_some_and(|word| HARMLESS.contains(&word.as_str()));
    let ends_like_one = match last.as_str() {
        "header" | "headers" => true,
        "key" | "keys" => !before.is_empty() && !is_harmless,
        "tokens" => OF_TOKENS.contains(&before_last),
        _ => joined.ends_with("token") && !is_harmless,
    };
    ends_like_one
        || words.iter().any(|word| WORDS.contains(&word.as_str()))
        || JOINED.iter().any(|part| joined.contains(part))
}

/// The words of a name such as `apiKey` or `API_KEY`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in name.chars() {
        if !character.is_alphanumeric() || (was_lower && character.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
        was_lower = character.is_lowercase() || character.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a text holds a secret whatever it is called: a URL with a user or a key in it, or a known kind of
/// key.
pub(super) fn holds_secret(text: &str) -> bool {
    const STARTS: [&str; 8] =
        ["Basic ", "Bearer ", "ghp_", "github_pat_", "sk-", "xoxb-", "xoxp-", "-----BEGIN "];
    const KEY_MIN_BYTES: usize = 20;
    let mut authorities =
        text.split("://").skip(1).filter_map(|rest| rest.split(['/', '?', '#', ' ']).next());
    let mut parameters = text.split(['?', '&', '#']).skip(1).filter_map(|pair| pair.split_once('='));
    authorities.any(|authority| authority.contains('@'))
        || parameters.any(|(name, _)| is_secret_name(name))
        || (text.len() >= KEY_MIN_BYTES && STARTS.iter().any(|start| text.starts_with(start)))
}

/// Where in a schema something is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Within {
    /// Its members are the names of properties.
    names: bool,
    /// It describes a property that is a secret.
    secret: bool,
}

/// A tree without what looks like a secret, and what became of the leaves that stay. A schema keeps its
/// properties whatever they are called, but says no value of one that is a secret.
pub(super) fn without_secrets(
    from: &Place<'_>,
    to: &str,
    within: Within,
    taken: &mut Vec<(String, String)>,
) -> Option<Value> {
    const NAMES: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];
    const VALUES: [&str; 5] = ["default", "examples", "example", "const", "enum"];
    if from.is_leaf() {
        taken.push((from.pointer.clone(), to.to_owned()));
        return Some(from.value.clone());
    }
    let mut items = Vec::new();
    for item in from.items() {
        let inner = Within { names: false, ..within };
        items.extend(without_secrets(&item, &format!("{to}/{}", items.len()), inner, taken));
    }
    let mut members = Map::new();
    for (name, member) in from.members() {
        let is_secret = is_secret_name(name);
        let is_left_out = if within.names {
            is_secret && !member.value.is_object()
        } else {
            is_secret || (within.secret && VALUES.contains(&name))
        };
        if is_left_out {
            continue;
        }
        let inner = Within {
            names: !within.names && NAMES.contains(&name),
            secret: within.secret || (within.names && is_secret),
        };
        let to = format!("{to}/{}", pointer_segment(name));
        if let Some(value) = without_secrets(&member, &to, inner, taken) {
            members.insert(name.to_owned(), value);
        }
    }
    match from.value {
        Value::Array(_) if !items.is_empty() => Some(Value::Array(items)),
        Value::Object(_) if !members.is_empty() => Some(Value::Object(members)),
        _ => None,
    }
}
