//! Reading what a client sent as JSON, strictly: one document, UTF-8, no duplicate members, and no
//! control characters in texts but newline and tab. What serde would take silently is refused with
//! a pointer to it.

use std::fmt;

use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation, jsonptr::PointerBuf};
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::violation::{Violation, pointer_segment};

/// The greatest body that any route reads, in bytes.
pub const BODY_MAX_BYTES: usize = 384 * 1024;

/// Parses `bytes` as one JSON document.
///
/// # Errors
/// [`Error::TooLarge`] above [`BODY_MAX_BYTES`]; [`Error::Malformed`] for invalid UTF-8, syntax
/// errors, numbers out of range, nesting deeper than 128 and duplicate members.
pub fn parse(bytes: &[u8]) -> Result<Value> {
    if bytes.len() > BODY_MAX_BYTES {
        return Err(Error::TooLarge { limit_bytes: BODY_MAX_BYTES });
    }
    parse_file(bytes)
}

/// The same of a file, whose size whoever has read it has bounded.
///
/// # Errors
/// As [`parse`], but for the size.
pub fn parse_file(bytes: &[u8]) -> Result<Value> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Error::Malformed("the body is not UTF-8".to_owned()))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = UniqueMembers
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| Error::Malformed(error.to_string()))?;
    Ok(value)
}

/// Reads `value` as a `T`, saying where it does not fit.
///
/// # Errors
/// [`Error::Invalid`] with every control character, or else with every unknown member and every
/// member of another type that can be told apart, up to the first that is missing.
pub fn read<T: DeserializeOwned + Serialize>(mut value: Value) -> Result<T> {
    let controls = control_characters(&value);
    if !controls.is_empty() {
        return Err(Error::Invalid(controls));
    }
    let mut found = Vec::new();
    loop {
        let violation = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(typed) => {
                found.extend(other_kinds(&value, &typed)?);
                return if found.is_empty() { Ok(typed) } else { Err(Error::Invalid(found)) };
            }
            Err(error) => shape_violation(error.path(), error.inner()),
        };
        // What is wrong with a member is known; without it the next error may show.
        let is_removed = found.len() < SHAPE_VIOLATIONS_MAX && take_member(&mut value, &violation.pointer);
        if !found.iter().any(|earlier: &Violation| earlier.pointer == violation.pointer) {
            found.push(violation);
        }
        if !is_removed {
            return Err(Error::Invalid(found));
        }
    }
}

/// The longest name of a member, in bytes: answers quote them in pointers.
const MEMBER_NAME_MAX_BYTES: usize = 1_024;
/// The most shape violations that one answer lists.
const SHAPE_VIOLATIONS_MAX: usize = 50;

/// Takes an object's member out; whether there was one. Items of lists stay: others would move.
fn take_member(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return false;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    let members = value.pointer_mut(parent).and_then(Value::as_object_mut);
    members.is_some_and(|members| members.remove(&name).is_some())
}

fn shape_violation(path: &serde_path_to_error::Path, error: &serde_json::Error) -> Violation {
    use serde_path_to_error::Segment;

    let message = error.to_string();
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", pointer_segment(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    if let Some(name) = quoted_after(&message, "missing field `") {
        let pointer = format!("{pointer}/{}", pointer_segment(name));
        return Violation::new(pointer, "required", "this member is required");
    }
    if message.starts_with("unknown field") {
        let fix = remove(&pointer);
        return Violation::new(
            pointer,
            "unknown_field",
            "no such member, or one that only the service writes",
        )
        .mended_by(fix);
    }
    Violation::new(pointer, "wrong_type", expectation(&message))
}

fn quoted_after<'text>(message: &'text str, start: &str) -> Option<&'text str> {
    message.strip_prefix(start)?.split('`').next()
}

/// What a member must be, in a client's words: serde's say what was sent, and name our types.
fn expectation(message: &str) -> String {
    let Some((_, expected)) = message.rsplit_once("expected ") else {
        return "is not valid".to_owned();
    };
    let kind = match expected {
        "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        "a boolean" | "a string" => expected,
        _ if expected.starts_with("one of `") || expected.starts_with('`') => expected,
        _ if expected.starts_with("struct ") || expected.contains("elements") => "an object",
        _ if expected.starts_with(['u', 'i']) => "a whole number within its range",
        _ => "of another type",
    };
    format!("must be {kind}")
}

/// The members that serde took in another form than the one that they are written in: structs from
/// lists, and enums from objects.
fn other_kinds(sent: &Value, typed: &impl Serialize) -> Result<Vec<Violation>> {
    let written =
        serde_json::to_value(typed).map_err(|_| Error::internal("a document has no form as JSON"))?;
    let mut found = Vec::new();
    compare_kinds(sent, &written, &mut String::new(), &mut found);
    Ok(found)
}

fn compare_kinds(sent: &Value, written: &Value, pointer: &mut String, found: &mut Vec<Violation>) {
    let expected = match (sent, written) {
        (Value::Object(sent), Value::Object(written)) => {
            for (name, written) in written {
                if let Some(sent) = sent.get(name) {
                    with_segment(pointer, &pointer_segment(name), |pointer| {
                        compare_kinds(sent, written, pointer, found);
                    });
                }
            }
            return;
        }
        (Value::Array(sent), Value::Array(written)) => {
            for (index, (sent, written)) in sent.iter().zip(written).enumerate() {
                with_segment(pointer, &index.to_string(), |pointer| {
                    compare_kinds(sent, written, pointer, found);
                });
            }
            return;
        }
        (Value::Array(_), Value::Object(_)) => "must be an object",
        (Value::Object(_) | Value::Array(_), _) => "must be a plain value",
        (_, _) => return,
    };
    found.push(Violation::new(pointer.as_str(), "wrong_type", expected));
}

/// A patch that removes the member at `pointer`.
pub fn remove(pointer: &str) -> Vec<PatchOperation> {
    vec![PatchOperation::Remove(RemoveOperation { path: pointer_buf(pointer) })]
}

/// A patch that puts `value` in the place of the member at `pointer`.
pub fn replace(pointer: &str, value: impl Into<Value>) -> Vec<PatchOperation> {
    vec![PatchOperation::Replace(ReplaceOperation { path: pointer_buf(pointer), value: value.into() })]
}

/// A patch that adds a member.
pub fn add(pointer: &str, value: impl Into<Value>) -> Vec<PatchOperation> {
    vec![PatchOperation::Add(AddOperation { path: pointer_buf(pointer), value: value.into() })]
}

fn pointer_buf(pointer: &str) -> PointerBuf {
    PointerBuf::parse(pointer).expect("pointers are made with `pointer_segment`")
}

/// Every text in `value`, names of members included, that holds a control character.
fn control_characters(value: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    collect_control_characters(value, &mut String::new(), &mut found);
    found
}

fn collect_control_characters(value: &Value, pointer: &mut String, found: &mut Vec<Violation>) {
    const DETAIL: &str = "control characters other than newline and tab are not allowed";
    if found.len() >= SHAPE_VIOLATIONS_MAX {
        return;
    }
    match value {
        Value::String(text) if text.chars().any(is_forbidden) => {
            let clean: String = text.chars().filter(|&c| !is_forbidden(c)).collect();
            found.push(
                Violation::new(pointer.as_str(), "control_character", DETAIL)
                    .mended_by(replace(pointer, clean)),
            );
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                with_segment(pointer, &index.to_string(), |pointer| {
                    collect_control_characters(item, pointer, found);
                });
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if name.len() > MEMBER_NAME_MAX_BYTES {
                    let detail = "a member of it has a name of more than 1,024 bytes";
                    found.push(Violation::new(pointer.as_str(), "member_name_length", detail));
                    return;
                }
                with_segment(pointer, &pointer_segment(name), |pointer| {
                    if name.chars().any(is_forbidden) {
                        let violation = Violation::new(pointer.as_str(), "control_character", DETAIL);
                        found.push(violation.mended_by(remove(pointer)));
                    } else {
                        collect_control_characters(member, pointer, found);
                    }
                });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn with_segment(pointer: &mut String, segment: &str, visit: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(segment);
    visit(pointer);
    pointer.truncate(length);
}

fn is_forbidden(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t')
}

/// Reads any JSON value, refusing objects that name a member twice.
struct UniqueMembers;

impl<'de> DeserializeSeed<'de> for UniqueMembers {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueMembers {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom("an object names a member twice"));
            }
            object.insert(name, members.next_value_seed(Self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[test]
    fn malformed_documents_are_refused() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for bad in ["", "{", "{} {}", "nul", r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"a":1}}]"#, "1e999", &deep] {
            assert!(matches!(parse(bad.as_bytes()), Err(Error::Malformed(_))), "{bad:.40}");
        }
        assert!(matches!(parse(b"\"\xff\""), Err(Error::Malformed(_))));
        assert!(matches!(parse(&vec![b' '; BODY_MAX_BYTES + 1]), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn every_control_character_is_pointed_at() {
        let value = serde_json::json!({"a/b": ["ok\n\t", "no\u{0}"], "c\u{7f}": 1, "d": "\r"});
        let pointers: Vec<_> = control_characters(&value).into_iter().map(|v| v.pointer).collect();
        assert_eq!(pointers, ["/a~1b/1", "/c\u{7f}", "/d"]);
    }

    #[derive(Debug, Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        size: u32,
    }

    #[test]
    fn every_wrong_member_is_found_and_none_is_quoted() {
        let document = serde_json::json!({"list": [{"size": "secret", "a": 1}, {"size": 1, "b": 2}], "c": 3});
        let Err(Error::Invalid(violations)) = read::<Outer>(document) else { panic!("accepted") };
        let pointers: Vec<_> = violations.iter().map(|violation| violation.pointer.as_str()).collect();
        assert_eq!(pointers, ["/c", "/list/0/a", "/list/0/size"]);
        assert!(!format!("{violations:?}").contains("secret"));
    }

    #[test]
    fn a_wrong_shape_is_pointed_at() {
        for (document, pointer, code) in [
            (serde_json::json!({"list": [{"size": "x"}]}), "/list/0/size", "wrong_type"),
            (serde_json::json!({"list": [{}]}), "/list/0/size", "required"),
            (serde_json::json!({"list": [], "no~pe": 1}), "/no~0pe", "unknown_field"),
            (serde_json::json!([]), "", "wrong_type"),
            (serde_json::json!([[]]), "", "wrong_type"),
            (serde_json::json!({"list": [[1]]}), "/list/0", "wrong_type"),
        ] {
            let Err(Error::Invalid(violations)) = read::<Outer>(document) else { panic!("accepted") };
            assert_eq!((violations[0].pointer.as_str(), violations[0].code), (pointer, code));
        }
    }
}
