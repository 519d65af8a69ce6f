//! Rendering: a template's document with its variables' values in the placeholders' places. One pass over
//! the document; what a value says is never looked at, so a value that looks like a placeholder stays what it
//! is, and nothing is executed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::TemplateContent;
use super::variable::{is_name, value_violations};
use crate::agent::Content;
use crate::error::Error;
use crate::violation::Violation;

/// The greatest document that rendering leads to, in bytes of its texts and values. A larger one is no agent,
/// and is not made.
const DOCUMENT_MAX_BYTES: usize = 1_024 * 1_024;

/// What a template renders to.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendering {
    /// The agent; none while a value is missing or wrong, or the document is no agent's.
    pub agent: Option<Content>,
    /// Every value in use, defaults included.
    pub variables: Map<String, Value>,
    /// Variables without a default that were not given.
    pub unresolved: Vec<String>,
    /// Variables that the document has no place for.
    pub unused: Vec<String>,
    /// What is wrong: with values, pointing into where they were given; with the agent, into `/agent`.
    pub violations: Vec<Violation>,
}

impl Rendering {
    /// Everything that keeps it from being an agent. `pointer` is where the values stand.
    pub fn into_violations(self, pointer: &str) -> Vec<Violation> {
        let missing = self.unresolved.iter().map(|name| {
            Violation::new(
                format!("{pointer}/{name}"),
                "required",
                "the variable has no value and no default",
            )
        });
        missing.chain(self.violations).collect()
    }
}

/// A `${` that begins no placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unplaced;

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// The pieces of a text, in order. Two dollars before a brace are a plain one, so that `$${` is a plain `${` and
/// `$$${name}` a dollar and a value.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Unplaced> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find("${").map(|dollar| dollar + 1) {
        let dollars = rest[..brace].bytes().rev().take_while(|byte| *byte == b'$').count();
        // The dollars that are written: each two are one.
        found.push(Piece::Text(&rest[..brace - dollars + dollars / 2]));
        rest = &rest[brace..];
        if dollars % 2 == 0 {
            found.push(Piece::Text("{"));
            rest = &rest[1..];
            continue;
        }
        let (name, after) = rest[1..].split_once('}').ok_or(Unplaced)?;
        if !is_name(name) {
            return Err(Unplaced);
        }
        found.push(Piece::Variable(name));
        rest = after;
    }
    found.push(Piece::Text(rest));
    found.retain(|piece| *piece != Piece::Text(""));
    Ok(found)
}

/// The variables that a text names.
pub(super) fn placeholders(text: &str) -> Result<impl Iterator<Item = &str>, Unplaced> {
    Ok(pieces(text)?.into_iter().filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) => None,
    }))
}

/// Renders `content` with the values that are `given`, which stand at `pointer` in what the client sent.
pub fn render(content: &TemplateContent, given: &Map<String, Value>, pointer: &str) -> Rendering {
    render_named(content, given, None, pointer)
}

/// The same with a name instead of the template's.
pub fn render_named(
    content: &TemplateContent,
    given: &Map<String, Value>,
    name: Option<&str>,
    pointer: &str,
) -> Rendering {
    let mut variables = Map::new();
    let mut unresolved = Vec::new();
    for variable in &content.variables {
        match given.get(&variable.name).or(variable.default.as_ref()) {
            Some(value) => {
                variables.insert(variable.name.clone(), value.clone());
            }
            None => unresolved.push(variable.name.clone()),
        }
    }
    let mut used = BTreeSet::new();
    content.agent.values().for_each(|member| collect(member, &mut used));
    let names = content.variables.iter().map(|variable| variable.name.clone());
    let unused = names.filter(|name| !used.contains(name.as_str())).collect();
    let mut violations = value_violations(&content.variables, given, pointer);
    let mut agent = None;
    if unresolved.is_empty() && violations.is_empty() {
        let mut rendered = Rendered { variables: &variables, left: DOCUMENT_MAX_BYTES };
        let document = Value::Object(content.agent.clone());
        match rendered.of(&document).map(|document| Content::read(named(document, name))) {
            Some(Ok(content)) => agent = Some(content),
            Some(Err(Error::Invalid(found))) => violations.extend(found.into_iter().map(within_agent)),
            Some(Err(_)) => violations.push(Violation::new("/agent", "invalid", "is no agent's document")),
            None => {
                let violation = Violation::new("/agent", "too_large", "renders to too many bytes");
                violations.push(Violation { limit: Some(DOCUMENT_MAX_BYTES.into()), ..violation });
            }
        }
    }
    Rendering { agent, variables, unresolved, unused, violations }
}

/// The document with this name, if there is one.
fn named(mut document: Value, name: Option<&str>) -> Value {
    if let (Some(members), Some(name)) = (document.as_object_mut(), name) {
        members.insert("name".to_owned(), Value::String(name.to_owned()));
    }
    document
}

/// Points into the rendered agent. Its fixes are no good: what is to be mended is a value, or the template.
pub fn within_agent(violation: Violation) -> Violation {
    violation.within("/agent")
}

fn collect<'a>(value: &'a Value, used: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => used.extend(placeholders(text).into_iter().flatten()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, used)),
        Value::Object(members) => members.values().for_each(|member| collect(member, used)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A document being rendered.
struct Rendered<'a> {
    variables: &'a Map<String, Value>,
    /// The bytes that may still be written.
    left: usize,
}

impl Rendered<'_> {
    /// None when it grows too large.
    fn of(&mut self, value: &Value) -> Option<Value> {
        Some(match value {
            Value::String(text) => self.text(text)?,
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.of(item)).collect::<Option<_>>()?)
            }
            Value::Object(members) => {
                let rendered = members.iter().map(|(name, member)| Some((name.clone(), self.of(member)?)));
                Value::Object(rendered.collect::<Option<_>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    fn text(&mut self, text: &str) -> Option<Value> {
        // A checked template has no other texts.
        let pieces = pieces(text).ok()?;
        if let [Piece::Variable(name)] = pieces.as_slice() {
            let value = self.variables.get(*name)?;
            self.spend(value.to_string().len())?;
            return Some(value.clone());
        }
        let mut whole = String::new();
        for piece in pieces {
            let written = match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Variable(name) => match self.variables.get(name)? {
                    Value::String(text) => text.clone(),
                    value => value.to_string(),
                },
            };
            self.spend(written.len())?;
            whole.push_str(&written);
        }
        Some(Value::String(whole))
    }

    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.left = self.left.checked_sub(bytes)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(source: &str, variables: &Value) -> Option<Value> {
        let mut rendered = Rendered { variables: variables.as_object().unwrap(), left: DOCUMENT_MAX_BYTES };
        rendered.of(&json!(source))
    }

    #[test]
    fn dollars_are_written_by_two() {
        let given = json!({"x": "v", "n": 3});
        for (source, expected) in [
            ("${x}", json!("v")),
            ("${n}", json!(3)),
            ("a ${x}${n} b", json!("a v3 b")),
            ("$${x}", json!("${x}")),
            ("$$${x}", json!("$v")),
            ("$$$${x}", json!("$${x}")),
            ("5$ $$ {x} {{x}} $", json!("5$ $$ {x} {{x}} $")),
            ("}${x}}", json!("}v}")),
        ] {
            assert_eq!(text(source, &given), Some(expected), "{source}");
        }
        for bad in ["${", "${x", "${X}", "${}", "${ x}", "${a.b}", "${${x}}"] {
            assert_eq!(pieces(bad), Err(Unplaced), "{bad}");
        }
    }

    #[test]
    fn a_value_is_not_looked_at() {
        let given = json!({"x": "${n} $${n} {{n}} $(reboot) `id`", "n": 3});
        assert_eq!(text("${x}", &given), Some(given["x"].clone()));
        assert_eq!(text("<${x}>", &given), Some(json!("<${n} $${n} {{n}} $(reboot) `id`>")));
    }

    #[test]
    fn what_grows_too_large_is_not_made() {
        let given = json!({"x": "y".repeat(DOCUMENT_MAX_BYTES / 2)});
        assert!(text("${x}${x}", &given).is_some());
        assert!(text("${x}${x}${x}", &given).is_none());
    }
}
