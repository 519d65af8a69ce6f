//! What differs between two documents, as JSON Pointers with the values on both sides. Objects are
//! compared member by member; everything else is one value. What lies too deep to be named shortly is
//! one value, too, so that no document makes pointers that outgrow it.

use serde_json::{Map, Value};

use crate::violation::pointer_segment;

/// A pointer's greatest length in bytes.
pub const POINTER_MAX_BYTES: usize = 256;
/// The most differences that are told apart; what has more differs as a whole.
pub const DIFFERENCES_MAX: usize = 256;

/// One place where two documents differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// A JSON Pointer (RFC 6901).
    pub pointer: String,
    /// None where there was nothing.
    pub before: Option<Value>,
    /// None where there is nothing.
    pub after: Option<Value>,
}

/// Every place where `before` and `after` differ, in the order of their pointers.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    if found.len() > DIFFERENCES_MAX {
        let (before, after) = (Some(before.clone()), Some(after.clone()));
        return vec![Difference { pointer: String::new(), before, after }];
    }
    found.sort_by(|one, other| one.pointer.cmp(&other.pointer));
    found
}

fn compare(pointer: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        _ if before == after || found.len() > DIFFERENCES_MAX => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) if is_short(pointer, before, after) => {
            members(pointer, before, after, found);
        }
        _ => found.push(Difference {
            pointer: pointer.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

/// Whether every member's pointer is short enough to name it by.
fn is_short(pointer: &str, before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    let longest = before.keys().chain(after.keys()).map(|name| pointer_segment(name).len()).max();
    pointer.len() + 1 + longest.unwrap_or_default() <= POINTER_MAX_BYTES
}

fn members(
    pointer: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let added = after.keys().filter(|name| !before.contains_key(*name));
    for name in before.keys().chain(added) {
        let member = format!("{pointer}/{}", pointer_segment(name));
        compare(&member, before.get(name), after.get(name), found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_compared_by_member_and_lists_as_a_whole() {
        let before = json!({"a": {"b": 1, "c/d": 2}, "list": [1], "same": null, "gone": 1});
        let after = json!({"a": {"b": 2, "c/d": 2}, "list": [1, 2], "same": null, "new": {"x": 1}});
        let found = differences(&before, &after);
        let pointers: Vec<_> = found.iter().map(|found| found.pointer.as_str()).collect();
        assert_eq!(pointers, ["/a/b", "/gone", "/list", "/new"]);
        assert_eq!((&found[1].before, &found[1].after), (&Some(json!(1)), &None));
        assert_eq!(differences(&before, &before), []);
    }

    #[test]
    fn what_lies_deep_or_is_too_much_is_one_difference() {
        let deep =
            |leaf: i32| (0..60).fold(json!(leaf), |inner, _| json!({"x".repeat(1_000): inner, "y": 1}));
        let found = differences(&json!({"a": deep(1)}), &json!({"a": deep(2)}));
        assert_eq!(found.iter().map(|found| found.pointer.as_str()).collect::<Vec<_>>(), ["/a"]);
        let wide =
            |leaf: i32| Value::Object((0..1_000).map(|index| (index.to_string(), json!(leaf))).collect());
        let found = differences(&wide(1), &wide(2));
        assert_eq!(found.iter().map(|found| found.pointer.as_str()).collect::<Vec<_>>(), [""]);
    }
}
