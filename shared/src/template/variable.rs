//! A template's variables: what they are called, what values they admit (a JSON Schema) and what they are
//! where nobody gives one. A schema is held to bounds that keep judging by it cheap: it refers to nothing, and
//! its patterns are matched in linear time.

use jsonschema::{Draft, PatternOptions, Validator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use validator::{Validate, ValidationError};

use crate::agent::depth;
use crate::violation::{Violation, pointer_segment};

/// A schema's greatest size in bytes of JSON.
const SCHEMA_MAX_BYTES: usize = 8 * 1024;
/// How deep a schema may nest.
const SCHEMA_MAX_DEPTH: usize = 16;
/// A compiled pattern's greatest size in bytes.
const PATTERN_MAX_BYTES: usize = 256 * 1024;
/// A variable's name, in characters.
const NAME_MAX: u64 = 64;
/// The most violations that one value is told.
const VALUE_VIOLATIONS_MAX: usize = 5;
/// Keywords that refer to other schemas, or name one to be referred to.
const REFERENCES: [&str; 10] = [
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$recursiveAnchor",
    "$schema",
    "$defs",
    "definitions",
];

/// One variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// 1 to 64 characters of `[a-z0-9_]`, the first a letter.
    #[validate(length(min = 1, max = "NAME_MAX"), custom(function = "variable_name"))]
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]{0,63}$"))]
    pub name: String,
    /// What a form calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 200))]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 1000))]
    pub description: Option<String>,
    /// A JSON Schema (2020-12) without references, of up to 8 KiB. A `pattern` has no look-around and no
    /// back references.
    pub schema: Map<String, Value>,
    /// The value where none is given. Without one, a value has to be given.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// A member that is there, be it null.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn variable_name(name: &str) -> Result<(), ValidationError> {
    if is_name(name) { Ok(()) } else { Err(ValidationError::new("variable_name")) }
}

/// Whether a variable may be called so.
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() as u64 <= NAME_MAX
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && name.bytes().all(allowed)
}

impl Variable {
    /// What is wrong with the schema, and with the default by it.
    pub(super) fn violations(&self, pointer: &str) -> Vec<Violation> {
        let schema = Value::Object(self.schema.clone());
        let pointer_of = |member: &str| format!("{pointer}/{member}");
        let bytes = schema.to_string().len();
        if bytes > SCHEMA_MAX_BYTES || depth(&schema) > SCHEMA_MAX_DEPTH {
            let detail = format!("may have {SCHEMA_MAX_BYTES} bytes, nested {SCHEMA_MAX_DEPTH} deep");
            return vec![Violation::new(pointer_of("schema"), "schema_too_large", detail)];
        }
        if let Some(place) = reference(&schema, &pointer_of("schema")) {
            let detail = "a variable's schema refers to no other";
            return vec![Violation::new(place, "schema_reference", detail)];
        }
        let Some(validator) = self.validator() else {
            let detail = "is no JSON Schema (2020-12), or has a pattern that is not matched in linear time";
            return vec![Violation::new(pointer_of("schema"), "schema", detail)];
        };
        self.default
            .iter()
            .flat_map(|default| broken_by(&validator, default, &pointer_of("default")))
            .collect()
    }

    /// None of what is no schema, which no checked variable has.
    fn validator(&self) -> Option<Validator> {
        let patterns =
            PatternOptions::regex().size_limit(PATTERN_MAX_BYTES).dfa_size_limit(PATTERN_MAX_BYTES);
        let schema = Value::Object(self.schema.clone());
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(patterns)
            .build(&schema)
            .ok()
    }
}

/// Where a schema refers to another, or lets itself be referred to.
fn reference(schema: &Value, pointer: &str) -> Option<String> {
    match schema {
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let place = format!("{pointer}/{}", pointer_segment(name));
            if REFERENCES.contains(&name.as_str()) { Some(place) } else { reference(member, &place) }
        }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| reference(item, &format!("{pointer}/{index}")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// What is wrong with values that were given: those of no variable, and those that a schema refuses.
/// `pointer` is where the values stand.
pub(super) fn value_violations(
    variables: &[Variable],
    given: &Map<String, Value>,
    pointer: &str,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for (name, value) in given {
        let place = format!("{pointer}/{}", pointer_segment(name));
        match variables.iter().find(|variable| variable.name == *name) {
            None => {
                let fix = crate::json::remove(&place);
                let violation =
                    Violation::new(place, "unknown_variable", "the template has no such variable");
                found.push(violation.mended_by(fix));
            }
            Some(variable) => match variable.validator() {
                Some(validator) => found.extend(broken_by(&validator, value, &place)),
                None => found.push(Violation::new(place, "schema", "the variable's schema can't be used")),
            },
        }
    }
    found
}

/// How a value breaks a schema, by the keywords that it breaks.
fn broken_by(validator: &Validator, value: &Value, pointer: &str) -> Vec<Violation> {
    let broken = validator.iter_errors(value).take(VALUE_VIOLATIONS_MAX);
    broken
        .map(|error| {
            let keyword = error.schema_path().to_string();
            let keyword = keyword.rsplit('/').find(|part| part.parse::<usize>().is_err()).unwrap_or_default();
            let place = format!("{pointer}{}", error.instance_path());
            Violation::new(place, "value", format!("breaks `{keyword}` of the variable's schema"))
        })
        .collect()
}
