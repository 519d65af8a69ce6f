//! What differs between two documents, as JSON Pointers with the values on both sides. Objects are
//! compared member by member; everything else is one value.

use serde_json::{Map, Value};

use crate::violation::pointer_segment;

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
    found.sort_by(|one, other| one.pointer.cmp(&other.pointer));
    found
}

fn compare(pointer: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => members(pointer, before, after, found),
        _ if before == after => {}
        _ => found.push(Difference {
            pointer: pointer.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
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
}
