//! Files that jobs write: agents and templates with their versions, in the form that an import reads back. What
//! looks like a secret is left out, and counted. It knows no store, HTTP or clock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::agent::version::{Version, VersionView};
use crate::agent::{Agent, AgentView};
use crate::error::{Error, Result};
use crate::import::strip;
use crate::template::{Template, TemplateVersion, TemplateVersionView, TemplateView};

/// What a version repeats of the agent or the template that it is in.
const REPEATED: [&str; 4] = ["agent_id", "template_id", "pins", "previous"];
/// What is between the two lists of a document.
const BETWEEN: &str = "],\"agents\":[";

/// How records are put into one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ExportFormat")]
pub enum Layout {
    /// A record a line: `{"template": …}` or `{"agent": …}`.
    #[default]
    Ndjson,
    /// One document with the lists `templates` and `agents`.
    Json,
}

impl Layout {
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Ndjson => "agents.ndjson",
            Self::Json => "agents.json",
        }
    }
}

/// What a record is about. In a file, templates come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Template,
    Agent,
}

impl Subject {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Agent => "agent",
        }
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// One line of JSON.
    pub line: String,
    /// Members that are not in it because they look like secrets.
    pub secrets_left_out: u64,
}

/// An agent with its versions, the oldest first.
///
/// # Errors
/// [`Error::Internal`] for what has no form as JSON.
pub fn agent(agent: &Agent, versions: &[Version]) -> Result<Exported> {
    record(json(&AgentView::from(agent))?, versions.iter().map(|version| json(&VersionView::from(version))))
}

/// A template with its versions, the oldest first.
///
/// # Errors
/// [`Error::Internal`] for what has no form as JSON.
pub fn template(template: &Template, versions: &[TemplateVersion]) -> Result<Exported> {
    let versions = versions.iter().map(|version| json(&TemplateVersionView::from(version)));
    record(json(&TemplateView::private(template))?, versions)
}

fn json(view: &impl Serialize) -> Result<Value> {
    serde_json::to_value(view).map_err(|_| Error::internal("a record has no form as JSON"))
}

fn record(view: Value, versions: impl Iterator<Item = Result<Value>>) -> Result<Exported> {
    let mut secrets_left_out = 0;
    let mut cleaned = |value: Value| -> Map<String, Value> {
        let (value, left_out) = strip(value);
        secrets_left_out += left_out;
        match value {
            Value::Object(mut members) => {
                members.retain(|_, member| !member.is_null());
                members
            }
            _ => Map::new(),
        }
    };
    let mut members = cleaned(view);
    let mut all = Vec::new();
    for version in versions {
        let mut version = cleaned(version?);
        version.retain(|name, _| !REPEATED.contains(&name.as_str()));
        all.push(Value::Object(version));
    }
    if !all.is_empty() {
        members.insert("versions".to_owned(), Value::Array(all));
    }
    Ok(Exported { line: Value::Object(members).to_string(), secrets_left_out })
}

/// Puts records into a file, as texts that follow each other.
#[derive(Debug)]
pub struct Assembly {
    layout: Layout,
    /// What the last record was about.
    last: Option<Subject>,
    exported_at: String,
}

impl Assembly {
    /// `exported_at` as RFC 3339.
    pub fn new(layout: Layout, exported_at: String) -> Self {
        Self { layout, last: None, exported_at }
    }

    /// What a line adds to the file. Templates come before agents.
    pub fn line(&mut self, subject: Subject, line: &str) -> String {
        let last = self.last.replace(subject);
        match self.layout {
            Layout::Ndjson => format!("{{\"{}\":{line}}}\n", subject.as_str()),
            Layout::Json if last == Some(subject) => format!(",\n{line}"),
            Layout::Json => {
                let mut text = if last.is_none() { self.head() } else { String::new() };
                if subject == Subject::Agent {
                    text.push_str(BETWEEN);
                }
                text.push('\n');
                text.push_str(line);
                text
            }
        }
    }

    /// What follows the last line.
    pub fn end(self) -> String {
        match (self.layout, self.last) {
            (Layout::Ndjson, _) => String::new(),
            (Layout::Json, Some(Subject::Agent)) => "\n]}\n".to_owned(),
            (Layout::Json, Some(Subject::Template)) => format!("{BETWEEN}]}}\n"),
            (Layout::Json, None) => format!("{}{BETWEEN}]}}\n", self.head()),
        }
    }

    fn head(&self) -> String {
        let exported_at = Value::from(self.exported_at.as_str());
        format!("{{\"format\":\"agent_management\",\"exported_at\":{exported_at},\"templates\":[")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(layout: Layout, lines: &[(Subject, &str)]) -> String {
        let mut assembly = Assembly::new(layout, "2026-01-01T00:00:00.000Z".to_owned());
        let mut text: String = lines.iter().map(|(subject, line)| assembly.line(*subject, line)).collect();
        text.push_str(&assembly.end());
        text
    }

    #[test]
    fn every_file_is_json_whatever_is_in_it() {
        use Subject::{Agent, Template};
        let one = "{\"name\":\"one\"}";
        for (lines, templates, agents) in [
            (vec![], 0, 0),
            (vec![(Template, one)], 1, 0),
            (vec![(Agent, one), (Agent, one)], 0, 2),
            (vec![(Template, one), (Template, one), (Agent, one)], 2, 1),
        ] {
            let document: Value = serde_json::from_str(&file(Layout::Json, &lines)).unwrap();
            assert_eq!(document["templates"].as_array().unwrap().len(), templates);
            assert_eq!(document["agents"].as_array().unwrap().len(), agents);
            let ndjson = file(Layout::Ndjson, &lines);
            let records: Vec<Value> =
                ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(records.iter().filter(|record| record["template"].is_object()).count(), templates);
            assert_eq!(records.iter().filter(|record| record["agent"].is_object()).count(), agents);
        }
    }
}
