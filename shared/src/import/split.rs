//! Files of this service's own, cut into records without reading what is in them: they may be far larger than what
//! there is room for once it is read.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Fidelity, Format, Options, Reading, read};
use crate::error::{Error, Result};
use crate::export::Subject;

/// A part of a file that is read by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'f> {
    /// Where it is in the file: a JSON Pointer (RFC 6901); into the list of its lines where it has a record a line.
    pub pointer: String,
    text: &'f str,
    /// What it is, where only its place says so.
    subject: Option<Subject>,
}

/// A document of several records.
#[derive(Deserialize)]
struct Document<'f> {
    #[serde(borrow, default)]
    templates: Vec<&'f RawValue>,
    #[serde(borrow, default)]
    agents: Vec<&'f RawValue>,
}

/// What of a record tells which agent it is.
#[derive(Debug, Default, Deserialize)]
pub struct Name<'f> {
    #[serde(borrow, default)]
    pub id: Option<Cow<'f, str>>,
    #[serde(borrow, default)]
    pub key: Option<Cow<'f, str>>,
}

#[derive(Deserialize)]
struct Wrapped<'f> {
    #[serde(borrow)]
    agent: Name<'f>,
}

/// The parts of a file, in their order. What has another form than this service's is one part.
pub fn split(format: Format, text: &str) -> Vec<Part<'_>> {
    let whole = || vec![Part { pointer: String::new(), text, subject: None }];
    if format != Format::AgentManagement {
        return whole();
    }
    let is_json = |line: &str| serde_json::from_str::<&RawValue>(line).is_ok();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    // As [`read`] tells them apart.
    if lines.next().is_some_and(is_json) && lines.next().is_some() {
        let lines = text.lines().filter(|line| !line.trim().is_empty()).enumerate();
        return lines
            .map(|(index, text)| Part { pointer: format!("/{index}"), text, subject: None })
            .collect();
    }
    let mut parts = Vec::new();
    if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) {
        parts.extend(parts_of("", None, list));
    } else if let Ok(Document { templates, agents }) = serde_json::from_str(text) {
        parts.extend(parts_of("/templates", Some(Subject::Template), templates));
        parts.extend(parts_of("/agents", Some(Subject::Agent), agents));
    }
    if parts.is_empty() { whole() } else { parts }
}

fn parts_of<'f>(
    list: &'static str,
    subject: Option<Subject>,
    items: Vec<&'f RawValue>,
) -> impl Iterator<Item = Part<'f>> {
    let part = move |(index, item): (usize, &'f RawValue)| Part {
        pointer: format!("{list}/{index}"),
        text: item.get(),
        subject,
    };
    items.into_iter().enumerate().map(part)
}

impl<'f> Part<'f> {
    /// Which agent it is, as far as it is one.
    pub fn name(&self) -> Name<'f> {
        let wrapped = serde_json::from_str::<Wrapped<'f>>(self.text).map(|wrapped| wrapped.agent);
        wrapped.or_else(|_| serde_json::from_str(self.text)).unwrap_or_default()
    }

    /// Whether it may name other agents.
    pub fn names_agents(&self) -> bool {
        self.text.contains("\"sub_agents\"")
    }

    /// Reads the part. Pointers to its leaves are into the part.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(&self, format: Format, options: Options<'_>) -> Result<Reading> {
        if self.subject != Some(Subject::Template) {
            return read(format, self.text, options);
        }
        // A template is known by its place only.
        let mut reading = read(format, &format!("{{\"template\":{}}}", self.text), options)?;
        let Fidelity { mapped, defaulted, dropped, added: _ } = &mut reading.fidelity;
        let from = mapped.iter_mut().map(|leaf| &mut leaf.from);
        let from = from.chain(defaulted.iter_mut().map(|leaf| &mut leaf.from));
        for from in from.chain(dropped.iter_mut().map(|leaf| &mut leaf.from)) {
            if let Some(rest) = from.strip_prefix("/template") {
                *from = rest.to_owned();
            }
        }
        Ok(reading)
    }

    /// What is wrong with the part, as something that is wrong with the file.
    pub fn of_file(&self, error: Error) -> Error {
        match error {
            Error::Invalid(violations) => {
                Error::Invalid(violations.into_iter().map(|one| one.within(&self.pointer)).collect())
            }
            Error::Malformed(detail) if !self.pointer.is_empty() => {
                Error::Malformed(format!("record {}: {detail}", self.pointer))
            }
            other => other,
        }
    }
}
