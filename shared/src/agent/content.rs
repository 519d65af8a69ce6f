//! The part of an agent that its clients write. A [`Content`] has been checked: there is no other
//! way to make one than [`Content::read`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use validator::{Validate, ValidationErrors, ValidationErrorsKind};

use super::config::Config;
use crate::error::{Error, Result};
use crate::id::AgentKey;
use crate::json::{read, remove, replace};
use crate::violation::{Violation, in_order_of_fixes, pointer_segment};

/// The greatest content in bytes of JSON, so that a head stays within DynamoDB's 400 KB.
pub(crate) const CONTENT_MAX_BYTES: usize = 340 * 1024;
/// The most violations that one answer lists.
const VIOLATIONS_MAX: usize = 100;
/// An agent's tags.
const TAGS_MAX: usize = 16;
/// The most items that one fix removes; who sent more has to look anyway.
const REMOVALS_MAX: u64 = 1_000;
/// How deep content may nest: what is stored must be readable again.
pub(crate) const CONTENT_MAX_DEPTH: usize = 64;
/// An agent's name, in characters.
pub(super) const NAME_MAX: u64 = 200;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    #[validate(length(min = 1, max = "NAME_MAX"))]
    pub name: String,
    #[serde(default)]
    #[validate(length(max = 2000))]
    pub description: Option<String>,
    /// Up to 16, each of 1 to 64 characters.
    #[serde(default)]
    #[validate(length(max = 16))]
    #[schemars(inner(length(min = 1, max = 64)), extend("uniqueItems" = true))]
    pub tags: Vec<String>,
    /// Up to 50 pairs; names of 1 to 64 characters, values of up to 512.
    #[serde(default)]
    #[validate(length(max = 50))]
    pub metadata: BTreeMap<String, String>,
    #[validate(nested)]
    pub config: Config,
}

/// What a creation says: content, and a `key` if the client names the agent itself.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAgent {
    pub key: Option<AgentKey>,
    pub content: Content,
}

/// What a creation sends: content, and a `key` if the client names the agent itself.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AgentDocument {
    /// Unique in the tenant and immutable.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
    pub key: Option<String>,
    #[serde(flatten)]
    pub content: Content,
}

/// What a duplication sends.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DuplicateDocument {
    /// The copy's key; the original's is never copied.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"))]
    pub key: Option<String>,
    /// The copy's name; absent means "Copy of" and the original's.
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
}

/// What a transfer sends.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferDocument {
    /// The new owner: 1 to 128 visible ASCII characters.
    #[schemars(regex(pattern = r"^[!-~]{1,128}$"))]
    pub owner: String,
}

impl Content {
    /// Reads and checks content.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every bound that is broken, or the first member of a wrong shape.
    pub fn read(document: Value) -> Result<Self> {
        if depth(&document) > CONTENT_MAX_DEPTH {
            let violation = Violation::new("", "too_deep", "the document nests too deep");
            return Err(Error::Invalid(vec![violation.exceeding(CONTENT_MAX_DEPTH, depth(&document))]));
        }
        let content: Self = read(document)?;
        let violations = content.violations();
        if violations.is_empty() { Ok(content) } else { Err(Error::Invalid(violations)) }
    }

    fn violations(&self) -> Vec<Violation> {
        let mut found = broken(self);
        if !self.name.is_empty() && self.name.trim().is_empty() {
            found.push(Violation::new("/name", "blank", "must not be only spaces"));
        }
        found.extend(tag_violations(&self.tags));
        found.extend(self.metadata_violations());
        found.extend(self.config.repeated_names());
        let bytes = serde_json::to_vec(self).map_or(0, |json| json.len());
        if bytes > CONTENT_MAX_BYTES {
            let violation = Violation::new("", "too_large", "the agent has too many bytes");
            found.push(violation.exceeding(CONTENT_MAX_BYTES, bytes));
        }
        found.truncate(VIOLATIONS_MAX);
        in_order_of_fixes(found)
    }

    fn metadata_violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for (name, value) in &self.metadata {
            let pointer = format!("/metadata/{}", pointer_segment(name));
            let fix = remove(&pointer);
            if !(1..=64).contains(&name.chars().count()) {
                let violation = Violation::new(pointer, "length", "a name must have 1 to 64 characters");
                found.push(violation.mended_by(fix));
            } else if value.chars().count() > 512 {
                let violation = Violation::new(pointer, "length", "a value must have at most 512 characters");
                found.push(violation.mended_by(fix));
            }
        }
        found
    }
}

impl NewAgent {
    /// Reads `key` apart from the content around it.
    ///
    /// # Errors
    /// As [`Content::read`], and for a `key` that is not one.
    pub fn read(mut document: Value) -> Result<Self> {
        let given = document.as_object_mut().and_then(|members| members.remove("key"));
        let key = match given {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| ()),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Err(()),
        };
        match (key, Content::read(document)) {
            (Ok(key), Ok(content)) => Ok(Self { key, content }),
            (Err(()), Ok(_)) => Err(Error::Invalid(vec![bad_key()])),
            (Err(()), Err(Error::Invalid(mut violations))) => {
                violations.insert(0, bad_key());
                Err(Error::Invalid(violations))
            }
            (_, Err(error)) => Err(error),
        }
    }
}

/// What is wrong with tags, the last first, so that the fixes apply in the order in which they are listed. Of
/// a list that is too long itself, its items are not judged.
pub(crate) fn tag_violations(tags: &[String]) -> Vec<Violation> {
    if tags.len() > TAGS_MAX {
        return Vec::new();
    }
    let mut found: Vec<_> = tags
        .iter()
        .enumerate()
        .filter_map(|(index, tag)| {
            let pointer = format!("/tags/{index}");
            let fix = remove(&pointer);
            if tags[..index].contains(tag) {
                return Some(Violation::new(pointer, "duplicate", "the tag is already there").mended_by(fix));
            }
            let is_good = (1..=64).contains(&tag.chars().count());
            (!is_good)
                .then(|| Violation::new(pointer, "length", "must have 1 to 64 characters").mended_by(fix))
        })
        .collect();
    found.reverse();
    found
}

pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

pub(crate) fn bad_key() -> Violation {
    let detail = "must be 1 to 128 characters of A-Z a-z 0-9 . _ - beginning with a letter or digit";
    Violation::new("/key", "key_format", detail)
}

/// Reads a document whose only rules are its shape and its bounds.
///
/// # Errors
/// [`Error::Invalid`].
pub(crate) fn read_bounded<T: DeserializeOwned + Serialize + Validate>(document: Value) -> Result<T> {
    let said: T = read(document)?;
    let violations = broken(&said);
    if violations.is_empty() { Ok(said) } else { Err(Error::Invalid(violations)) }
}

/// Every bound that a document breaks.
pub(crate) fn broken(document: &impl Validate) -> Vec<Violation> {
    match document.validate() {
        Ok(()) => Vec::new(),
        Err(errors) => bounds("", &errors),
    }
}

/// The `validator` crate's findings as violations, in the order of their pointers.
fn bounds(parent: &str, errors: &ValidationErrors) -> Vec<Violation> {
    let mut found = Vec::new();
    for (member, kind) in errors.errors() {
        let pointer = format!("{parent}/{}", if member == "kind" { "type" } else { member });
        match kind {
            ValidationErrorsKind::Field(broken) => {
                found.extend(broken.iter().map(|rule| bound(&pointer, rule)));
            }
            ValidationErrorsKind::Struct(inner) => found.extend(bounds(&pointer, inner)),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    found.extend(bounds(&format!("{pointer}/{index}"), inner));
                }
            }
        }
    }
    found.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    found
}

fn bound(pointer: &str, rule: &validator::ValidationError) -> Violation {
    let param = |name: &str| rule.params.get(name);
    match rule.code.as_ref() {
        "length" => {
            let max = param("max").and_then(Value::as_u64);
            let detail = match (param("min"), max) {
                (Some(min), Some(max)) => format!("must have {min} to {max} characters or items"),
                (Some(min), None) => format!("must have at least {min} characters or items"),
                (None, max) => format!("must have at most {} characters or items", max.unwrap_or_default()),
            };
            let violation = Violation::new(pointer, "length", detail);
            match (param("value"), max) {
                (Some(Value::String(text)), Some(max)) if text.chars().count() as u64 > max => {
                    let kept: String =
                        text.chars().take(usize::try_from(max).unwrap_or(usize::MAX)).collect();
                    violation.exceeding(max, text.chars().count()).mended_by(replace(pointer, kept))
                }
                (Some(Value::Array(items)), Some(max)) if items.len() as u64 > max + REMOVALS_MAX => {
                    violation.exceeding(max, items.len())
                }
                (Some(Value::Array(items)), Some(max)) if items.len() as u64 > max => {
                    let surplus = (max..items.len() as u64).rev();
                    let fix = surplus.flat_map(|index| remove(&format!("{pointer}/{index}"))).collect();
                    violation.exceeding(max, items.len()).mended_by(fix)
                }
                (Some(Value::Object(members)), Some(max)) => violation.exceeding(max, members.len()),
                (_, _) => violation,
            }
        }
        "range" => range(pointer, rule),
        "https_url" => Violation::new(pointer, "https_url", "must be an https URL without user information"),
        "secret_reference" => Violation::new(
            pointer,
            "secret_reference",
            "must refer to a secret (secret://name, or an ARN of Secrets Manager or Parameter Store), never hold one",
        ),
        "visible_ascii" => Violation::new(pointer, "visible_ascii", "must be visible ASCII without slash"),
        "item_length" => Violation::new(pointer, "item_length", "an item is empty or too long"),
        _ => Violation::new(pointer, "invalid", "is not valid"),
    }
}

fn range(pointer: &str, rule: &validator::ValidationError) -> Violation {
    let param = |name: &str| rule.params.get(name);
    let value = param("value").and_then(Value::as_f64);
    let (min, max) = (param("min"), param("max"));
    let above = value.zip(max.and_then(Value::as_f64)).is_some_and(|(value, max)| value > max);
    let text = |bound: Option<&Value>| bound.map(ToString::to_string).unwrap_or_default();
    let floor = min.or_else(|| param("exclusive_min"));
    let detail = match min {
        Some(_) => format!("must be from {} to {}", text(min), text(max)),
        None => format!("must be above {} and at most {}", text(floor), text(max)),
    };
    let violation = Violation::new(pointer, "out_of_range", detail);
    let nearest = if above { max } else { min };
    match (nearest, param("value")) {
        (Some(nearest), Some(value)) => {
            violation.exceeding(nearest.clone(), value.clone()).mended_by(replace(pointer, nearest.clone()))
        }
        (_, _) => violation,
    }
}
