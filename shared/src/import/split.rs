//! Files of this service's own, cut into records without reading what is in them: they may be far larger than what
//! there is room for once it is read.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Fidelity, Format, Options, Reading, read};
use crate::error::{Error, Result};
use crate::export::Subject;
use crate::violation::Violation;

/// A part of a file that is read by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'f> {
    /// Where it is in the file: a JSON Pointer (RFC 6901); into the list of its lines where it has a record a line.
    pub pointer: String,
    text: &'f str,
    /// What it is, where only its place says so.
    subject: Option<Subject>,
}

/// The most records of a file: twice as many as any tier's job has items.
const PARTS_MAX: usize = 100_000;
/// The most bytes of a record, and the most values in it: what there is room for while it is read.
const PART_MAX_BYTES: usize = 12 * 1024 * 1024;
const VALUES_MAX: usize = 400_000;

/// A document of several records. One that says anything else is read as a whole.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'f> {
    #[serde(borrow, default)]
    format: Option<Cow<'f, str>>,
    #[serde(borrow, default, rename = "exported_at")]
    _exported_at: Option<&'f RawValue>,
    #[serde(borrow, default)]
    templates: Bounded<'f>,
    #[serde(borrow, default)]
    agents: Bounded<'f>,
}

/// A list of as many records as a file may have.
#[derive(Default)]
struct Bounded<'f>(Vec<&'f RawValue>);

impl<'de: 'f, 'f> Deserialize<'de> for Bounded<'f> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Bounded<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    // One too many says so.
                    if items.len() > PARTS_MAX {
                        while list.next_element::<IgnoredAny>()?.is_some() {}
                        break;
                    }
                    items.push(item);
                }
                Ok(Bounded(items))
            }
        }

        deserializer.deserialize_seq(List)
    }
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
///
/// # Errors
/// [`Error::Invalid`] for more than 100,000 records.
pub fn split(format: Format, text: &str) -> Result<Vec<Part<'_>>> {
    let whole = || vec![Part { pointer: String::new(), text, subject: None }];
    if format != Format::AgentManagement {
        return Ok(whole());
    }
    let is_json = |line: &str| serde_json::from_str::<&RawValue>(line).is_ok();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    // As [`read`] tells them apart.
    if lines.next().is_some_and(is_json) && lines.next().is_some() {
        let lines = text.lines().filter(|line| !line.trim().is_empty()).enumerate();
        let part = |(index, text)| Part { pointer: format!("/{index}"), text, subject: None };
        let parts: Vec<Part<'_>> = lines.take(PARTS_MAX + 1).map(part).collect();
        return bounded(parts);
    }
    let mut parts = Vec::new();
    if let Ok(Bounded(list)) = serde_json::from_str(text) {
        parts.extend(parts_of("", None, list));
    } else if let Ok(Document { format: said, templates, agents, .. }) = serde_json::from_str(text)
        && said.is_none_or(|said| said == format.as_str())
    {
        parts.extend(parts_of("/templates", Some(Subject::Template), templates.0));
        parts.extend(parts_of("/agents", Some(Subject::Agent), agents.0));
    }
    if parts.is_empty() { Ok(whole()) } else { bounded(parts) }
}

fn bounded(parts: Vec<Part<'_>>) -> Result<Vec<Part<'_>>> {
    if parts.len() <= PARTS_MAX {
        return Ok(parts);
    }
    let violation = Violation::new("", "too_large", "the file has too many records");
    Err(Error::Invalid(vec![violation.exceeding(PARTS_MAX, parts.len())]))
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

/// About how many values a text of JSON has, without reading it.
fn values(text: &str) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (1, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b',' | b'[' | b'{' if !is_text => count += 1,
            _ => {}
        }
    }
    count
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
        let too_large = |limit: usize, current: usize| {
            let violation =
                Violation::new("", "too_large", "a record, or a file of another format, is too large");
            Error::Invalid(vec![violation.exceeding(limit, current)])
        };
        if self.text.len() > PART_MAX_BYTES {
            return Err(too_large(PART_MAX_BYTES, self.text.len()));
        }
        let values = values(self.text);
        if values > VALUES_MAX {
            return Err(too_large(VALUES_MAX, values));
        }
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
