//! What files of other systems become: documents such as `POST /v1/agents` takes, and an account of every
//! leaf of the file. A file is read as far as it can be understood and no text is cut; whether a document is
//! an agent is for [`crate::agent::NewAgent::read`] to say. Secrets are never taken. This service's own files
//! also bring what agents have beside their documents, and templates.

mod a2a;
mod fidelity;
mod imported;
mod langgraph;
mod letta;
mod native;
mod openai;
mod secrets;
mod split;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::json::parse_file;
use crate::violation::{Violation, pointer_segment};

pub use fidelity::{Added, Defaulted, Dropped, Fidelity, Mapped, leaves};
use fidelity::{Place, SECRET, Tracker, pointers_bytes};
pub use imported::{Beside, ImportedTemplate, ImportedVersion};
pub use secrets::strip;
use secrets::{Within, holds_secret, is_secret_name, is_surely_secret_name, without_secrets};
pub use split::{Name, Part, split};

/// The most agents and templates of a file, together.
const AGENTS_MAX: usize = 10_000;
/// The most bytes that the pointers to a file's leaves may have, all together.
const POINTERS_MAX_BYTES: usize = 16 * 1024 * 1024;
/// The bounds of an agent's metadata, for what an import makes itself.
const PAIRS_MAX: usize = 50;
const PAIR_NAME_MAX: usize = 64;
const PAIR_TEXT_MAX: usize = 512;
/// What in a document is a list.
const LISTS: [&str; 5] =
    ["/tags", "/config/tools", "/config/knowledge", "/config/model/parameters/stop", "/routes"];

/// Another system's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// As this service answers agents.
    AgentManagement,
    LanggraphAssistants,
    OpenaiAssistants,
    LettaAgents,
    A2aCards,
}

impl Format {
    pub const ALL: [Self; 5] = [
        Self::AgentManagement,
        Self::LanggraphAssistants,
        Self::OpenaiAssistants,
        Self::LettaAgents,
        Self::A2aCards,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentManagement => "agent_management",
            Self::LanggraphAssistants => "langgraph_assistants",
            Self::OpenaiAssistants => "openai_assistants",
            Self::LettaAgents => "letta_agents",
            Self::A2aCards => "a2a_cards",
        }
    }
}

/// One agent of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The agent's id in its source.
    pub source_id: Option<String>,
    /// What `POST /v1/agents` takes; not judged yet.
    pub document: Value,
    /// What else there is of it. Only files of this service have it.
    pub beside: Beside,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub templates: Vec<ImportedTemplate>,
    pub agents: Vec<Imported>,
    pub fidelity: Fidelity,
}

/// What of a file is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// `provider/id`, for agents whose file names no model.
    pub default_model: Option<&'a str>,
    /// Versions, and the aliases that lead to them.
    pub versions: bool,
    /// Templates. Which one an agent was made from is taken in any case.
    pub templates: bool,
}

/// Reads a whole file: one JSON document, or a record a line.
///
/// # Errors
/// [`Error::Malformed`] or [`Error::TooLarge`] as [`parse`] has them, for the document or for a line;
/// [`Error::Invalid`] for what has not the format's shape or would become too much, with a pointer into the
/// file; and for a default model that is none, with a pointer into the request.
pub fn read(format: Format, text: &str, options: Options<'_>) -> Result<Reading> {
    let default_model = options.default_model.map(default_model_of).transpose()?;
    let file = file(format, text)?;
    let bytes = pointers_bytes(&file, 0);
    if bytes > POINTERS_MAX_BYTES {
        return Err(too_large(POINTERS_MAX_BYTES, bytes));
    }
    let mut reader = Reader {
        tracker: Tracker::new(&file),
        templates: Vec::new(),
        agents: Vec::new(),
        default_model,
        is_own: format == Format::AgentManagement,
        takes_versions: options.versions,
        takes_templates: options.templates,
    };
    let root = Place { pointer: String::new(), value: &file };
    let records = if file.is_array() { root.items() } else { vec![root] };
    for record in &records {
        let said = record.member("format");
        // Others have agents in a member of that name too.
        if let Some(said) = said.filter(|_| format != Format::AgentManagement)
            && said.value.as_str() == Some(Format::AgentManagement.as_str())
        {
            return Err(unlike(&said, "the file is one of this service"));
        }
        match format {
            Format::AgentManagement => native::read(record, &mut reader)?,
            Format::LanggraphAssistants => langgraph::read(record, &mut reader)?,
            Format::OpenaiAssistants => openai::read(record, &mut reader)?,
            Format::LettaAgents => letta::read(record, &mut reader)?,
            Format::A2aCards => a2a::read(record, &mut reader)?,
        }
    }
    reader.check_room()?;
    let Reader { tracker, templates, agents, .. } = reader;
    Ok(Reading { templates, agents, fidelity: tracker.finish() })
}

/// The file as one value: the list of its lines where it has a record a line.
fn file(format: Format, text: &str) -> Result<Value> {
    let lines: Vec<(usize, &str)> =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
    // No document of several lines begins with one that is a document.
    if let [(_, first), _, ..] = lines.as_slice()
        && parse_file(first.as_bytes()).is_ok()
    {
        return lines.into_iter().map(|(index, line)| parse_line(index + 1, line)).collect();
    }
    match parse_file(text.as_bytes())? {
        // Some published agent files are a text that holds the file.
        Value::String(inner) if format == Format::LettaAgents => parse_file(inner.as_bytes()),
        file => Ok(file),
    }
}

fn parse_line(number: usize, line: &str) -> Result<Value> {
    parse_file(line.as_bytes()).map_err(|error| match error {
        Error::Malformed(detail) => Error::Malformed(format!("record on line {number}: {detail}")),
        error => error,
    })
}

fn default_model_of(text: &str) -> Result<(String, String)> {
    match text.split_once('/') {
        Some((provider, id)) if !provider.is_empty() && !id.is_empty() => {
            Ok((provider.to_owned(), id.to_owned()))
        }
        Some(_) | None => {
            let detail = "must be a provider and a model's id, with a slash between them";
            Err(Error::Invalid(vec![Violation::new("/default_model", "model_format", detail)]))
        }
    }
}

fn too_large(limit: usize, current: usize) -> Error {
    let violation = Violation::new("", "too_large", "the file would become too much");
    Error::Invalid(vec![violation.exceeding(limit, current)])
}

/// What is not of the format at all.
fn unlike(place: &Place<'_>, detail: &'static str) -> Error {
    Error::Invalid(vec![Violation::new(place.pointer.as_str(), "other_format", detail)])
}

/// A scalar as metadata has it.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Puts a value into a document, and the objects and lists that it is in. Lists grow at their end.
fn insert(document: &mut Value, to: &str, value: Value) {
    let Some((parent, name)) = to.rsplit_once('/') else { return };
    if document.pointer(parent).is_none() {
        let empty = if LISTS.contains(&parent) { json!([]) } else { json!({}) };
        insert(document, parent, empty);
    }
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.insert(name.replace("~1", "/").replace("~0", "~"), value);
        }
        Some(Value::Array(items)) => items.push(value),
        Some(_) | None => {}
    }
}

/// What the readers of all formats fill.
struct Reader {
    tracker: Tracker,
    templates: Vec<ImportedTemplate>,
    agents: Vec<Imported>,
    default_model: Option<(String, String)>,
    /// Whether the file is one of this service's.
    is_own: bool,
    takes_versions: bool,
    takes_templates: bool,
}

impl Reader {
    /// Begins an agent's document.
    fn draft(&mut self) -> Result<Draft<'_>> {
        let at = format!("/{}", self.agents.len());
        self.draft_at(at)
    }

    fn draft_at(&mut self, at: String) -> Result<Draft<'_>> {
        self.check_room()?;
        let count = self.agents.len() + self.templates.len();
        if count >= AGENTS_MAX {
            return Err(too_large(AGENTS_MAX, count + 1));
        }
        Ok(Draft::new(self, at))
    }

    fn check_room(&self) -> Result<()> {
        if !self.tracker.is_spent() {
            return Ok(());
        }
        let detail = "what the agents share is too large for each of them to have it";
        Err(Error::Invalid(vec![Violation::new("", "too_large", detail)]))
    }
}

/// A document while it is written. Places in it are pointers into it; whatever is written says where it comes
/// from.
struct Draft<'r> {
    reader: &'r mut Reader,
    /// Where it is in the list of all.
    at: String,
    document: Value,
    beside: Beside,
    source_id: Option<String>,
    /// Where in its list each item is that has a name.
    known: HashMap<String, String>,
}

impl<'r> Draft<'r> {
    fn new(reader: &'r mut Reader, at: String) -> Self {
        let beside = Beside::default();
        Self { reader, at, document: json!({}), beside, source_id: None, known: HashMap::new() }
    }

    fn finish(mut self) {
        self.configure();
        let Self { reader, document, beside, source_id, .. } = self;
        reader.agents.push(Imported { source_id, document, beside });
    }

    /// A place in this document as a pointer into the list of all.
    fn place(&self, to: &str) -> String {
        format!("{}{to}", self.at)
    }

    fn write(&mut self, to: &str, value: Value) -> bool {
        let has_room = self.reader.tracker.spend(to.len() + value.to_string().len());
        if has_room {
            insert(&mut self.document, to, value);
        }
        has_room
    }

    /// Writes what one or more leaves say.
    fn put(&mut self, from: &[&Place<'_>], to: &str, value: impl Into<Value>) {
        if self.write(to, value.into()) {
            for leaf in from {
                self.map(leaf, to);
            }
        }
    }

    /// Says that a leaf is in what is already written.
    fn map(&mut self, from: &Place<'_>, to: &str) {
        let place = self.place(to);
        self.reader.tracker.map(&from.pointer, &place);
    }

    fn copy(&mut self, from: &Place<'_>, to: &str) {
        self.put(&[from], to, from.value.clone());
    }

    /// Writes something else than what a leaf says.
    fn default(&mut self, from: &Place<'_>, to: &str, value: impl Into<Value>, reason: &'static str) {
        if self.write(to, value.into()) {
            let place = self.place(to);
            self.reader.tracker.default(&from.pointer, &place, reason);
        }
    }

    /// Writes what no leaf says.
    fn add(&mut self, to: &str, value: impl Into<Value>, reason: &str) {
        if self.write(to, value.into()) {
            let place = self.place(to);
            self.reader.tracker.add(&place, reason);
        }
    }

    fn drop(&mut self, part: &Place<'_>, reason: &'static str) {
        self.reader.tracker.drop(part, reason);
    }

    /// Copies a tree of settings or a schema, but for what looks like a secret.
    fn tree(&mut self, from: &Place<'_>, to: &str) {
        if self.reader.tracker.is_spent() {
            return;
        }
        let mut taken = Vec::new();
        let Some(value) = without_secrets(from, &self.place(to), Within::default(), &mut taken) else {
            return;
        };
        let bytes: usize = taken.iter().map(|(_, to)| to.len()).sum();
        if self.reader.tracker.spend(bytes) && self.write(to, value) {
            for (from, to) in taken {
                self.reader.tracker.map(&from, &to);
            }
        }
    }

    /// The source's own metadata: what is a scalar.
    fn metadata(&mut self, metadata: &Place<'_>) {
        for (name, value) in metadata.members() {
            let is_secret =
                if self.reader.is_own { is_surely_secret_name(name) } else { is_secret_name(name) };
            if let Some(text) = scalar_text(value.value).filter(|_| !is_secret) {
                self.pair(name, &[&value], text);
            }
        }
    }

    /// A scalar that has no place of its own, unless it is a secret.
    fn note(&mut self, system: &str, name: &str, said: &Place<'_>) {
        if let Some(text) = scalar_text(said.value).filter(|_| !is_secret_name(name)) {
            self.noted(&format!("{system}:{name}"), &[said], text);
        }
    }

    /// A pair that the import makes: left out where metadata has no room for it.
    fn noted(&mut self, name: &str, from: &[&Place<'_>], text: String) {
        if name.chars().count() <= PAIR_NAME_MAX && text.chars().count() <= PAIR_TEXT_MAX {
            return self.pair(name, from, text);
        }
        for leaf in from {
            self.drop(leaf, "is too long for metadata");
        }
    }

    fn pair(&mut self, name: &str, from: &[&Place<'_>], text: String) {
        let to = format!("/metadata/{}", pointer_segment(name));
        let pairs = self.document.pointer("/metadata").and_then(Value::as_object);
        let reason = if holds_secret(&text) {
            SECRET
        } else if pairs.is_some_and(|pairs| pairs.contains_key(name)) {
            "an earlier pair of metadata has its name"
        } else if pairs.is_some_and(|pairs| pairs.len() >= PAIRS_MAX) {
            "an agent has at most 50 pairs of metadata"
        } else {
            return self.put(from, &to, text);
        };
        for leaf in from {
            self.drop(leaf, reason);
        }
    }
}
