//! A template's variables: what they are called, what values they admit (a JSON Schema) and what they are
//! where nobody gives one. A schema is held to bounds that keep judging by it cheap: it refers to nothing, and
//! its patterns are matched in linear time.

use jsonschema::{Draft, PatternOptions, Validator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use validator::{Validate, ValidationError};

use crate::agent::{CONTENT_MAX_DEPTH, depth};
use crate::violation::{Violation, pointer_segment};

/// A schema's greatest size in bytes of JSON.
const SCHEMA_MAX_BYTES: usize = 8 * 1024;
/// How deep a schema may nest.
const SCHEMA_MAX_DEPTH: usize = 16;
/// A compiled pattern's greatest size in bytes.
const PATTERN_MAX_BYTES: usize = 64 * 1024;
/// The most patterns of a schema.
const PATTERNS_MAX: usize = 10;
/// The greatest value of a variable, and of all of them together, in bytes of JSON: what an agent remembers of
/// them.
const VALUES_MAX_BYTES: usize = 8 * 1024;
/// A variable's name, in characters.
const NAME_MAX: u64 = 64;
/// Keywords that a variable's schema can't have: those that refer to other schemas or name one to be referred to,
/// and those for which a value is judged again and again.
const REFUSED: [&str; 12] = [
    "unevaluatedItems",
    "unevaluatedProperties",
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
        if let Some(place) = refused(&schema, &pointer_of("schema")) {
            let detail =
                "a variable's schema has no such keyword: it refers to no other, and is cheap to judge by";
            return vec![Violation::new(place, "schema_reference", detail)];
        }
        let patterns = patterns(&schema);
        if patterns > PATTERNS_MAX {
            let violation = Violation::new(pointer_of("schema"), "schema_too_large", "has too many patterns");
            return vec![violation.exceeding(PATTERNS_MAX, patterns)];
        }
        let Some(validator) = self.validator() else {
            let detail = "is no JSON Schema (2020-12), or has a pattern that is not matched in linear time";
            return vec![Violation::new(pointer_of("schema"), "schema", detail)];
        };
        let place = pointer_of("default");
        let default = self.default.as_ref();
        let found = default.and_then(|value| {
            oversized(value, depth(value), &place).or_else(|| broken_by(&validator, value, &place))
        });
        found.into_iter().collect()
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

/// Where a schema has a keyword of [`REFUSED`], or a divisor that takes long to divide by.
fn refused(schema: &Value, pointer: &str) -> Option<String> {
    match schema {
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let place = format!("{pointer}/{}", pointer_segment(name));
            match (name.as_str(), member) {
                (name, _) if REFUSED.contains(&name) => Some(place),
                ("multipleOf", Value::Number(divisor)) if !is_plain(divisor) => Some(place),
                // What these hold is values.
                ("enum" | "const" | "default" | "examples", _) => None,
                // The names in these are a value's.
                ("properties" | "patternProperties" | "dependentSchemas", Value::Object(named)) => named
                    .iter()
                    .find_map(|(name, inner)| refused(inner, &format!("{place}/{}", pointer_segment(name)))),
                _ => refused(member, &place),
            }
        }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| refused(item, &format!("{pointer}/{index}")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Whether a divisor is within what people divide by.
fn is_plain(divisor: &serde_json::Number) -> bool {
    divisor.as_f64().is_some_and(|divisor| (1e-9..=1e15).contains(&divisor))
}

/// How many patterns a schema has.
fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| {
                let own = match (name.as_str(), member) {
                    ("pattern", Value::String(_)) => 1,
                    ("patternProperties", Value::Object(patterns)) => patterns.len(),
                    _ => 0,
                };
                own + patterns(member)
            })
            .sum(),
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// What is wrong with values that were given: too many bytes of them, those of no variable, and those that a schema refuses.
/// `pointer` is where the values stand.
pub(super) fn value_violations(
    variables: &[Variable],
    given: &Map<String, Value>,
    pointer: &str,
) -> Vec<Violation> {
    let levels = 1 + given.values().map(depth).max().unwrap_or(0);
    if let Some(violation) = oversized(given, levels, pointer) {
        return vec![violation];
    }
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

/// How a value breaks a schema: the first keyword that it breaks. There may be as many more as the value has
/// items, each as often as the schema says it.
fn broken_by(validator: &Validator, value: &Value, pointer: &str) -> Option<Violation> {
    let error = validator.validate(value).err()?;
    let keyword = error.schema_path().to_string();
    let keyword = keyword.rsplit('/').find(|part| part.parse::<usize>().is_err()).unwrap_or_default();
    let place = format!("{pointer}{}", error.instance_path());
    Some(Violation::new(place, "value", format!("breaks `{keyword}` of the variable's schema")))
}

/// That values are more than an agent can remember of them, or nest too deep to be read again.
fn oversized(values: &impl Serialize, levels: usize, pointer: &str) -> Option<Violation> {
    if levels > CONTENT_MAX_DEPTH {
        let violation = Violation::new(pointer, "too_deep", "a value nests too deep");
        return Some(violation.exceeding(CONTENT_MAX_DEPTH, levels));
    }
    let bytes = serde_json::to_vec(values).map_or(usize::MAX, |json| json.len());
    (bytes > VALUES_MAX_BYTES).then(|| {
        let detail = "variables have fewer bytes of values; put long texts into the template";
        Violation::new(pointer, "too_large", detail).exceeding(VALUES_MAX_BYTES, bytes)
    })
}
