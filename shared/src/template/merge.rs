//! A three-way merge of JSON documents: an agent that was made from a template takes what a new version of
//! it changed, and keeps what was changed in the agent. `base` is what the old version rendered to, `ours`
//! is the agent as it is, `theirs` is what the new version renders to.
//!
//! - What one side changed, or both alike, is taken. What both changed differently is a conflict: it takes
//!   the side that was asked for, or else the agent's. Absent is a value like others.
//! - Objects are merged by member; where the base has nothing, from an empty one. An object with a member
//!   that can't be pointed at shortly is one value, as in [`crate::diff`].
//! - Lists of parts are merged by item if all items, on each side, have an identity, a text that no other
//!   of their list has; an absent list is an empty one. Tags are a set, and never conflict if they are
//!   texts. Every other list is one value.
//! - Merged items have the agent's order, then the template's others follow in theirs. It is the other way
//!   around where the template put the items that all three have in another order, and the agent did not.
//!   Where both did, and differently, the agent's order stays, and that is no conflict.
//!
//! A conflict's pointer depends on the three documents alone, and no two conflicts have the same. Outside
//! the lists that are merged by item it is the same in each document, the merged one included. An item is
//! named by its index in `ours` or, where the agent does not have it, in `theirs`. Should the agent's item
//! with this index be a conflict as a whole, too, the pointer goes on to the identity in `theirs`.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diff::POINTER_MAX_BYTES;
use crate::violation::pointer_segment;

/// Whose value a conflict takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The agent as it is.
    Agent,
    /// What the template's new version renders to.
    Template,
}

/// A place that both sides changed, and differently. A side that has nothing there is left out.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Conflict {
    /// A JSON Pointer (RFC 6901) into the agent or, in an item that it does not have, into what the
    /// template's new version renders to.
    pub pointer: String,
    /// What the template's old version rendered to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Value>,
    /// What the agent has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Value>,
    /// What the template's new version renders to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Value>,
    /// The side that was asked for. Without one nobody decided, and the agent's value stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<Side>,
}

/// A merged document and what was, or is, to be decided about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// What both sides' changes make of the base.
    pub document: Value,
    /// Every conflict, decided or not, in the order of their pointers.
    pub conflicts: Vec<Conflict>,
}

/// Merges what `ours` and `theirs` each changed in `base`. `choose` is told each conflict's pointer.
#[must_use]
pub fn merge(base: &Value, ours: &Value, theirs: &Value, choose: impl Fn(&str) -> Option<Side>) -> Merged {
    let mut merger = Merger { choose: &choose, conflicts: Vec::new() };
    let document = merger.value("", Three { base, ours, theirs }.map(Some));
    merger.conflicts.sort_by(|one, other| one.pointer.cmp(&other.pointer));
    // Each side has a document, so there always is a merged one.
    Merged { document: document.unwrap_or_default(), conflicts: merger.conflicts }
}

/// The lists that are merged by item, and the member that is an item's identity. A tag is its own.
const LISTS: [(&str, Option<&str>); 6] = [
    ("/tags", None),
    ("/config/tools", Some("tool_id")),
    ("/config/mcp_servers", Some("name")),
    ("/config/knowledge", Some("id")),
    ("/config/guardrails", Some("id")),
    ("/config/sub_agents", Some("id")),
];

type Object = serde_json::Map<String, Value>;
type Values<'a> = Three<Option<&'a Value>>;

/// The same of each of the three documents.
#[derive(Clone, Copy)]
struct Three<T> {
    base: T,
    ours: T,
    theirs: T,
}

impl<T> Three<T> {
    fn map<U>(self, of: impl Fn(T) -> U) -> Three<U> {
        Three { base: of(self.base), ours: of(self.ours), theirs: of(self.theirs) }
    }
}

impl<T: PartialEq> Three<T> {
    /// What to take where at most one side changed, or both alike.
    fn settled(self) -> Option<T> {
        if self.ours == self.theirs || self.theirs == self.base {
            return Some(self.ours);
        }
        (self.ours == self.base).then_some(self.theirs)
    }
}

/// A list's items by their identities.
#[derive(Default)]
struct Items<'a> {
    order: Vec<&'a str>,
    places: HashMap<&'a str, (usize, &'a Value)>,
}

impl<'a> Items<'a> {
    /// None where an item can't be told from the others. An absent list has no items, and a tag that is
    /// repeated counts once.
    fn read(list: Option<&'a Value>, identity: Option<&str>) -> Option<Self> {
        let mut items = Self::default();
        let Some(list) = list else { return Some(items) };
        for (index, item) in list.as_array()?.iter().enumerate() {
            let name = identity.map_or(Some(item), |member| item.get(member))?.as_str()?;
            if !items.places.contains_key(name) {
                items.places.insert(name, (index, item));
                items.order.push(name);
            } else if identity.is_some() {
                return None;
            }
        }
        Some(items)
    }
}

/// Whether the template's order leads: it put the items that all three have in another order, and the
/// agent did not.
fn is_led_by_template(Three { base, ours, theirs }: &Three<Items>) -> bool {
    let is_common = |name: &&&str| [base, ours, theirs].iter().all(|side| side.places.contains_key(**name));
    let is_kept = |side: &Items| side.order.iter().filter(is_common).eq(base.order.iter().filter(is_common));
    is_kept(ours) && !is_kept(theirs)
}

/// The objects of a place where both sides have one that is merged by member.
fn objects<'a>(pointer: &str, values: Values<'a>, empty: &'a Object) -> Option<Three<&'a Object>> {
    let base = values.base.map_or(Some(empty), Value::as_object)?;
    let (ours, theirs) = (values.ours?.as_object()?, values.theirs?.as_object()?);
    let longest = ours.keys().chain(theirs.keys()).map(|name| pointer_segment(name).len()).max();
    let is_short = pointer.len() + 1 + longest.unwrap_or_default() <= POINTER_MAX_BYTES;
    is_short.then_some(Three { base, ours, theirs })
}

struct Merger<'a> {
    choose: &'a dyn Fn(&str) -> Option<Side>,
    conflicts: Vec<Conflict>,
}

impl Merger<'_> {
    /// What the merged document has in a place; none where it has nothing there.
    fn value(&mut self, pointer: &str, values: Values) -> Option<Value> {
        if let Some(value) = values.settled() {
            return value.cloned();
        }
        if let Some((_, identity)) = LISTS.into_iter().find(|(list, _)| *list == pointer) {
            let Three { base, ours, theirs } = values.map(|list| Items::read(list, identity));
            if let (Some(base), Some(ours), Some(theirs)) = (base, ours, theirs) {
                let items = self.items(pointer, identity, &Three { base, ours, theirs });
                let is_there = values.map(|list| list.is_some()).settled() == Some(true);
                return (is_there || !items.is_empty()).then_some(Value::Array(items));
            }
        }
        match objects(pointer, values, &Object::new()) {
            Some(objects) => Some(Value::Object(self.members(pointer, objects))),
            None => self.conflict(pointer, values),
        }
    }

    fn members(&mut self, pointer: &str, objects: Three<&Object>) -> Object {
        let mut merged = Object::new();
        let added = objects.theirs.keys().filter(|name| !objects.ours.contains_key(*name));
        for name in objects.ours.keys().chain(added) {
            let member = format!("{pointer}/{}", pointer_segment(name));
            if let Some(value) = self.value(&member, objects.map(|object| object.get(name))) {
                merged.insert(name.clone(), value);
            }
        }
        merged
    }

    fn items(&mut self, list: &str, identity: Option<&str>, sides: &Three<Items>) -> Vec<Value> {
        let mut merged = HashMap::new();
        let Three { base, ours, theirs } = sides;
        let added = theirs.order.iter().filter(|name| !ours.places.contains_key(*name));
        for name in ours.order.iter().chain(added) {
            let places = Three { base, ours, theirs }.map(|side| side.places.get(name).copied());
            let place = places.ours.or(places.theirs);
            let mut pointer = format!("{list}/{}", place.map_or(0, |(index, _)| index));
            // The agent's items come first, so their conflicts are known. None is about an identity.
            if self.conflicts.iter().any(|conflict| conflict.pointer == pointer) {
                pointer.extend(identity.map(|member| format!("/{member}")));
            }
            if let Some(value) = self.value(&pointer, places.map(|place| place.map(|(_, item)| item))) {
                merged.insert(*name, value);
            }
        }
        let (leading, other) = if is_led_by_template(sides) { (theirs, ours) } else { (ours, theirs) };
        leading.order.iter().chain(&other.order).filter_map(|name| merged.remove(name)).collect()
    }

    fn conflict(&mut self, pointer: &str, values: Values) -> Option<Value> {
        let taken = (self.choose)(pointer);
        let Three { base, ours, theirs } = values.map(Option::<&Value>::cloned);
        let value = if taken == Some(Side::Template) { theirs.clone() } else { ours.clone() };
        let pointer = pointer.to_owned();
        self.conflicts.push(Conflict { pointer, base, agent: ours, template: theirs, taken });
        value
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fastrand::Rng;
    use serde_json::json;

    use super::*;

    /// Base, ours, theirs, what they are merged to while nobody decides, and the conflicts.
    const VALUES: &str = r#"
[{"a": 1, "b": null, "c": 1, "d": 1}, {"a": 2, "b": null}, {"a": 1, "d": 1, "e": 1}, {"a": 2, "e": 1}, []]
[{"a": 1, "b": 1}, {"b": 2}, {"a": 2}, {"b": 2}, ["/a", "/b"]]
[{}, {"a": {"b": 1}}, {"a": {"b": 2, "c": 1}}, {"a": {"b": 1, "c": 1}}, ["/a/b"]]
[{"a": null}, {"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}, ["/a"]]
[{"a": {"/~": [1]}}, {"a": {"/~": [1, 2]}}, {"a": {"/~": []}}, {"a": {"/~": [1, 2]}}, ["/a/~1~0"]]
[{"a": 1, "LONG": 1}, {"a": 2, "LONG": 1}, {"a": 1}, {"a": 2, "LONG": 1}, [""]]
[{"tags": ["a", "b"]}, {"tags": ["c", "b", "c"]}, {"tags": ["d", "a", "b"]}, {"tags": ["c", "b", "d"]}, []]
[{}, {"tags": [1]}, {"tags": ["b"]}, {"tags": [1]}, ["/tags"]]"#;

    /// The same of lists. An item has its identity and `v`; `-` is an absent list, `!` the list's pointer.
    const ITEMS: &str = "
a b   | a b x    | n a b     | a b x n    |
a b c | a1 x y c | c a b n y | c a1 n y x |
a b c | b a c    | c b a n   | b a c n    |
a b c | b a c    | c b       | c b        |
-     | a1 b1    | b2 a1 c   | a1 b1 c    | /1/v
a b   | a1 n     | b1 a2 x   | a1 n x     | /0 /0/v
a b   | a1 n     | b1        | a1 n       | /0 /0/KEY
a b   | -        | a         | -          |
a b   | a        | b         |            |
a     | a a1     | a n       | a a1       | !";

    fn check([base, ours, theirs, document]: [&Value; 4], conflicts: &[String]) {
        let merged = merge(base, ours, theirs, |_| None);
        let pointers: Vec<_> = merged.conflicts.into_iter().map(|conflict| conflict.pointer).collect();
        assert_eq!((&merged.document, &pointers[..]), (document, conflicts), "{base} {ours} {theirs}");
    }

    #[test]
    fn each_rule_has_examples() {
        for line in VALUES.trim().lines().map(|line| line.replace("LONG", &"x".repeat(POINTER_MAX_BYTES))) {
            let case: (Value, Value, Value, Value, Vec<String>) = serde_json::from_str(&line).unwrap();
            check([&case.0, &case.1, &case.2, &case.3], &case.4);
        }
        for list in ["tools tool_id", "mcp_servers name", "knowledge id", "guardrails id", "sub_agents id"] {
            let (list, key) = list.split_once(' ').unwrap();
            let item = |text: &str| json!({key: &text[..1], "v": &text[1..]});
            let config = |texts: &str| match texts.trim() {
                "-" => json!({"config": {}}),
                _ => json!({"config": {list: texts.split_whitespace().map(item).collect::<Value>()}}),
            };
            for line in ITEMS.trim().lines() {
                let (documents, conflicts) = line.rsplit_once('|').unwrap();
                let documents: Vec<_> = documents.split('|').map(config).collect();
                let pointer =
                    |rest: &str| format!("/config/{list}{}", rest.replace("KEY", key).replace('!', ""));
                let conflicts: Vec<_> = conflicts.split_whitespace().map(pointer).collect();
                check([0, 1, 2, 3].map(|index| &documents[index]), &conflicts);
            }
        }
    }

    /// One of few values, so that two are often alike.
    fn any(rng: &mut Rng, depth: u8) -> Value {
        let names = ["a", "b/~", "c", &"x".repeat(POINTER_MAX_BYTES)];
        if depth == 0 || rng.bool() {
            return rng.choice([json!(null), json!(0), json!(1), json!([0]), json!([1])]).unwrap();
        }
        (0..rng.u8(..3)).map(|_| (names[rng.usize(..31) / 10], any(rng, depth - 1))).collect()
    }

    fn any_document(rng: &mut Rng) -> Value {
        let [tags, tools] = [2, 3].map(|count| rng.choose_multiple(["a", "b", "c", "d"], count));
        let tools: Value = tools.into_iter().map(|name| json!({"tool_id": name, "v": any(rng, 2)})).collect();
        json!({"tags": tags, "config": {"tools": tools, "m": any(rng, 2)}})
    }

    /// Takes some of what `other` has, and drops some.
    fn mix(value: &mut Value, other: Value, rng: &mut Rng) {
        match (value, other) {
            (Value::Object(members), Value::Object(others)) => {
                for (name, other) in others {
                    mix(members.entry(name).or_insert(Value::Null), other, rng);
                }
                members.retain(|name, _| name == "config" || rng.u8(..12) > 0);
            }
            (Value::Array(items), Value::Array(others)) if rng.bool() => {
                items.extend(others);
                rng.shuffle(items);
                items.truncate(rng.usize(..6));
                let mut names = BTreeSet::new();
                items.retain(|item| names.insert(item.get("tool_id").unwrap_or(item).to_string()));
            }
            (value, other) if rng.u8(..4) == 0 => *value = other,
            _ => {}
        }
    }

    /// The document with objects for the lists that are merged by item: their items by name.
    fn by_name(document: &Value) -> Value {
        let mut document = document.clone();
        let item = |item: &Value| (item.get("tool_id").unwrap_or(item).to_string(), item.clone());
        let object = |list: &Value| list.as_array().into_iter().flatten().map(item).collect();
        document["tags"] = object(&document["tags"]);
        document["config"]["tools"] = object(&document["config"]["tools"]);
        document
    }

    /// A conflict's place: the item's name stands for its index.
    fn place(Conflict { pointer, agent, .. }: &Conflict, ours: &Value, theirs: &Value) -> String {
        let Some(rest) = pointer.strip_prefix("/config/tools/") else { return pointer.clone() };
        let (index, rest) = rest.split_at(1);
        let is_of_theirs = agent.is_none() && ["", "/tool_id"].contains(&rest);
        let (side, rest) = if is_of_theirs { (theirs, "") } else { (ours, rest) };
        let tools = side["config"]["tools"].as_array().unwrap();
        format!("/config/tools/{}{rest}", tools[index.parse::<usize>().unwrap()]["tool_id"])
    }

    /// Counts the conflicts in a place of base, ours, theirs and the merged document, and checks that each
    /// takes its side, and that elsewhere each side's changes are there and nothing else.
    fn count(place: &str, values: [Option<&Value>; 4], conflicts: &BTreeMap<String, &Conflict>) -> usize {
        let [base, ours, theirs, merged] = values;
        if let Some(Conflict { base: b, agent, template, taken, .. }) = conflicts.get(place) {
            assert_eq!([base, ours, theirs], [b, agent, template].map(Option::as_ref), "{place}");
            assert!(base != ours && base != theirs && ours != theirs, "{place}");
            assert_eq!(merged, if *taken == Some(Side::Template) { theirs } else { ours }, "{place}");
            return 1;
        }
        // What is in an object has a place of its own.
        let [b, o, t, m] = values.map(|value| value.map(|value| (!value.is_object()).then_some(value)));
        assert!((b == o || b == t || o == t) && m == if b == o { t } else { o }, "{place} {values:?}");
        let objects = values.map(|value| value?.as_object());
        let names: BTreeSet<_> = objects.into_iter().flatten().flat_map(Object::keys).collect();
        let inner = |name: &String| {
            let place = format!("{place}/{}", pointer_segment(name));
            count(&place, objects.map(|object| object?.get(name)), conflicts)
        };
        names.into_iter().map(inner).sum()
    }

    #[test]
    fn every_law_holds_for_any_documents() {
        let mut rng = Rng::with_seed(1);
        let [agent, template] = [Side::Agent, Side::Template].map(Some);
        for _ in 0..2_000 {
            let base = any_document(&mut rng);
            let [mut ours, mut theirs] = [base.clone(), base.clone()];
            for side in [&mut ours, &mut theirs] {
                mix(side, any_document(&mut rng), &mut rng);
                // What one side changed, or both alike, is taken as it is.
                check([&base, &base, side, side], &[]);
                check([&base, side, &base, side], &[]);
                check([&base, side, side, side], &[]);
            }
            let Merged { document, conflicts } = merge(&base, &ours, &theirs, |_| None);
            assert!(conflicts.is_sorted_by(|one, other| one.pointer < other.pointer), "{conflicts:?}");
            // The sides are alike, but for the order.
            let swapped = merge(&base, &theirs, &ours, |_| template);
            assert_eq!(by_name(&document), by_name(&swapped.document));
            let [b, o, t] = [&base, &ours, &theirs].map(by_name);
            for sides in [[agent; 3], [template; 3], [None, agent, template]] {
                let choose = |pointer: &str| sides[pointer.bytes().map(usize::from).sum::<usize>() % 3];
                let merged = merge(&base, &ours, &theirs, choose);
                // The conflicts are the same whatever is chosen.
                let decided = |was: &Conflict| Conflict { taken: choose(&was.pointer), ..was.clone() };
                assert_eq!(merged.conflicts, conflicts.iter().map(decided).collect::<Vec<_>>());
                let places = merged.conflicts.iter().map(|found| (place(found, &ours, &theirs), found));
                let values = [&b, &o, &t, &by_name(&merged.document)];
                assert_eq!(count("", values.map(Some), &places.collect()), conflicts.len());
            }
        }
    }
}
