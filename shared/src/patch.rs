//! Changes that clients send as patches: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902).
//! A JSON Patch can double a document with every `copy`, so it is applied step by step within
//! bounds of size and depth.

use json_patch::{PatchErrorKind, PatchOperation};
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::json;
use crate::violation::{Violation, pointer_segment};

/// The media types of patches.
pub const MEDIA_TYPES: &[&str] = &[MERGE_PATCH, JSON_PATCH];
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

/// The most operations of a JSON Patch.
const OPERATIONS_MAX: usize = 500;
/// The greatest document that a JSON Patch may lead to on its way, in bytes as [`weigh`] counts.
const DOCUMENT_MAX_BYTES: usize = 1_024 * 1_024;
/// The most that is weighed while a JSON Patch is applied, in bytes as [`weigh`] counts: enough for a hundred
/// changes of the largest agent.
const WORK_MAX_BYTES: usize = 64 * 1_024 * 1_024;
/// The greatest patch between two documents that tells every difference, in bytes of JSON.
const PATCH_MAX_BYTES: usize = 512 * 1024;
/// The deepest document that a JSON Patch may lead to on its way.
const DOCUMENT_MAX_DEPTH: usize = 128;

/// A change of a document.
#[derive(Debug, Clone)]
pub enum Patch {
    Merge(Value),
    Operations(json_patch::Patch),
}

/// How a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Merge,
    Operations,
}

impl Dialect {
    /// The dialect of a media type.
    ///
    /// # Errors
    /// [`Error::UnsupportedMediaType`] for anything but [`MEDIA_TYPES`].
    pub fn of(media_type: Option<&str>) -> Result<Self> {
        match media_type {
            Some(MERGE_PATCH) => Ok(Self::Merge),
            Some(JSON_PATCH) => Ok(Self::Operations),
            Some(_) | None => Err(Error::UnsupportedMediaType { accepted: MEDIA_TYPES }),
        }
    }
}

impl Patch {
    /// Reads a patch.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no JSON Patch, or one of too many operations.
    pub fn read(dialect: Dialect, document: Value) -> Result<Self> {
        match dialect {
            Dialect::Merge => Ok(Self::Merge(document)),
            Dialect::Operations => {
                let patch: json_patch::Patch = json::read(document)?;
                if patch.0.len() > OPERATIONS_MAX {
                    let violation = Violation::new("", "length", "has too many operations");
                    return Err(Error::Invalid(vec![violation.exceeding(OPERATIONS_MAX, patch.0.len())]));
                }
                Ok(Self::Operations(patch))
            }
        }
    }

    /// Applies the patch. `document` is undefined after an error.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a pointer to the operation that does not apply; [`Error::Conflict`]
    /// for a test that fails.
    pub fn apply(&self, document: &mut Value) -> Result<()> {
        match self {
            Self::Merge(patch) => json_patch::merge(document, patch),
            Self::Operations(patch) => {
                let mut work = 0;
                for (index, operation) in patch.0.iter().enumerate() {
                    work += apply_one(document, index, operation)?;
                    if work > WORK_MAX_BYTES {
                        let detail = "the operations up to this one move too much about";
                        return Err(Error::Invalid(vec![Violation::new(
                            format!("/{index}"),
                            "too_large",
                            detail,
                        )]));
                    }
                }
            }
        }
        Ok(())
    }
}

/// What `patch` makes of the members `own` of a resource that answers as `view`. A merge patch may name those
/// alone. A JSON Patch sees the whole resource, as `show` completes it, so that it can test `/rev`; what it
/// makes of the members that only the service writes must be what they were.
///
/// # Errors
/// As [`Patch::apply`], and [`Error::Invalid`] for what touches other members.
pub fn written(patch: &Patch, view: Value, own: &[&str], show: impl FnOnce(&mut Value)) -> Result<Value> {
    let no_object = || Error::Invalid(vec![Violation::new("", "wrong_type", "must be an object")]);
    let is_own = |name: &String| own.contains(&name.as_str());
    if let Patch::Merge(given) = patch {
        let others: Vec<_> =
            given.as_object().ok_or_else(no_object)?.keys().filter(|name| !is_own(name)).collect();
        if !others.is_empty() {
            return Err(Error::Invalid(Violation::unknown_members(others)));
        }
        let mut document = view;
        if let Some(members) = document.as_object_mut() {
            members.retain(|name, _| is_own(name));
        }
        json_patch::merge(&mut document, given);
        return Ok(document);
    }
    let mut after = view.clone();
    show(&mut after);
    patch.apply(&mut after)?;
    let (Value::Object(before), Value::Object(mut after)) = (view, after) else {
        return Err(no_object());
    };
    let mut touched = Vec::new();
    for (name, value) in before.iter().filter(|(name, _)| !is_own(name)) {
        if after.remove(name).as_ref() != Some(value) {
            let detail = "only the service writes this member";
            touched.push(Violation::new(format!("/{name}"), "read_only", detail));
        }
    }
    if touched.is_empty() { Ok(Value::Object(after)) } else { Err(Error::Invalid(touched)) }
}

/// Applies an operation. The bytes that were weighed for it.
fn apply_one(document: &mut Value, index: usize, operation: &PatchOperation) -> Result<usize> {
    let invalid =
        |code, detail: &str| Error::Invalid(vec![Violation::new(format!("/{index}"), code, detail)]);
    json_patch::patch_unsafe(document, std::slice::from_ref(operation)).map_err(|error| {
        match error.kind {
            PatchErrorKind::TestFailed => Error::Conflict(format!("The test of operation {index} fails.")),
            _ => invalid("patch_failed", "the operation's path or from does not exist"),
        }
    })?;
    match operation {
        PatchOperation::Add(_)
        | PatchOperation::Replace(_)
        | PatchOperation::Copy(_)
        | PatchOperation::Move(_) => {
            let (bytes, depth) = weigh(document);
            if bytes > DOCUMENT_MAX_BYTES || depth > DOCUMENT_MAX_DEPTH {
                return Err(invalid("too_large", "the operation makes the document too large or too deep"));
            }
            Ok(bytes)
        }
        PatchOperation::Remove(_) | PatchOperation::Test(_) => Ok(0),
    }
}

/// The JSON Patch that makes `before` into `after`.
///
/// # Errors
/// [`Error::Internal`] if one of them has no form as JSON.
pub fn between(before: &impl Serialize, after: &impl Serialize) -> Result<Vec<PatchOperation>> {
    let json = |_: serde_json::Error| Error::internal("what is compared has no form as JSON");
    let (before, after) =
        (serde_json::to_value(before).map_err(json)?, serde_json::to_value(after).map_err(json)?);
    let patch = json_patch::diff(&before, &after).0;
    let bytes = serde_json::to_vec(&patch).map_or(usize::MAX, |json| json.len());
    Ok(if bytes > PATCH_MAX_BYTES { whole_members(&before, &after) } else { patch })
}

/// A patch that replaces whole members of an object: no larger than the object.
fn whole_members(before: &Value, after: &Value) -> Vec<PatchOperation> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return json::replace("", after.clone());
    };
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let mut patch: Vec<PatchOperation> =
        gone.flat_map(|name| json::remove(&format!("/{}", pointer_segment(name)))).collect();
    for (name, value) in after.iter().filter(|(name, value)| before.get(*name) != Some(*value)) {
        let pointer = format!("/{}", pointer_segment(name));
        patch.extend(if before.contains_key(name) {
            json::replace(&pointer, value.clone())
        } else {
            json::add(&pointer, value.clone())
        });
    }
    patch
}

/// A document's bytes, about as many as its JSON has, and its depth.
fn weigh(document: &Value) -> (usize, usize) {
    match document {
        Value::Null | Value::Bool(_) | Value::Number(_) => (8, 0),
        Value::String(text) => (text.len() + 2, 0),
        Value::Array(items) => items
            .iter()
            .map(weigh)
            .fold((2, 1), |(bytes, depth), (more, deep)| (bytes + more + 1, depth.max(deep + 1))),
        Value::Object(members) => members.iter().fold((2, 1), |(bytes, depth), (name, member)| {
            let (more, deep) = weigh(member);
            (bytes + name.len() + more + 4, depth.max(deep + 1))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn apply(operations: Value, mut document: Value) -> Result<Value> {
        Patch::read(Dialect::Operations, operations)?.apply(&mut document).map(|()| document)
    }

    #[test]
    fn a_patch_that_doubles_at_every_step_is_stopped() {
        let wide: Vec<_> = (0..40).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/-"})).collect();
        let document = json!({"a": ["x".repeat(1_000)]});
        assert!(matches!(apply(json!(wide), document), Err(Error::Invalid(_))));
        let deep: Vec<_> = (0..200).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/a"})).collect();
        assert!(matches!(apply(json!(deep), json!({"a": {"a": 1}})), Err(Error::Invalid(_))));
    }

    #[test]
    fn many_operations_on_a_large_document_are_stopped_and_on_a_small_one_are_not() {
        let all: Vec<_> =
            (0..OPERATIONS_MAX).map(|turn| json!({"op": "replace", "path": "/a", "value": turn})).collect();
        let document = |bytes: usize| json!({"a": 0, "large": "x".repeat(bytes)});
        assert!(apply(json!(all), document(100_000)).is_ok());
        let Err(Error::Invalid(violations)) = apply(json!(all), document(900_000)) else {
            panic!("it applies")
        };
        assert_eq!(violations[0].code, "too_large");
    }

    #[test]
    fn a_patch_that_outgrows_what_it_changes_replaces_whole_members() {
        let many = |leaf: u8| json!({"same": 1, "gone": leaf, "list": vec![leaf; 50_000]});
        let (mut before, mut after) = (many(0), many(1));
        before["a/b"] = json!(1);
        after["new"] = json!(2);
        let patch = between(&before, &after).unwrap();
        assert_eq!(patch.len(), 4, "one goes, two differ, one is new");
        json_patch::patch(&mut before, &patch).unwrap();
        assert_eq!(before, after);
    }

    #[test]
    fn errors_point_at_the_operation() {
        let patch = json!([{"op": "remove", "path": "/a"}, {"op": "remove", "path": "/none"}]);
        let Err(Error::Invalid(violations)) = apply(patch, json!({"a": 1})) else { panic!("it applies") };
        assert_eq!(violations[0].pointer, "/1");
        let test = json!([{"op": "test", "path": "/a", "value": 2}]);
        assert!(matches!(apply(test, json!({"a": 1})), Err(Error::Conflict(_))));
        for bad in [
            json!({}),
            json!([{"op": "explode", "path": ""}]),
            json!([{"op": "add", "path": "a", "value": 1}]),
        ] {
            assert!(matches!(apply(bad, json!({})), Err(Error::Invalid(_))));
        }
    }
}
