//! The part of a template that its clients write. A [`TemplateContent`] has been checked: there is no other
//! way to make one than [`TemplateContent::read`].

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use validator::Validate;

use super::render::{self, Unplaced, placeholders};
use super::variable::{Variable, value_violations};
use crate::agent::{CONTENT_MAX_BYTES, CONTENT_MAX_DEPTH, broken, depth, tag_violations};
use crate::error::{Error, Result};
use crate::json::read;
use crate::violation::{Violation, in_order_of_fixes, pointer_segment};

/// The most violations that one answer lists.
const VIOLATIONS_MAX: usize = 100;
/// A template's variables.
const VARIABLES_MAX: u64 = 50;
/// The members of the document that a template renders to.
const AGENT_FIELDS: [&str; 5] = ["name", "description", "tags", "metadata", "config"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateContent {
    #[validate(length(min = 1, max = 200))]
    pub name: String,
    #[serde(default)]
    #[validate(length(max = 2000))]
    pub description: Option<String>,
    /// Up to 16, each of 1 to 64 characters.
    #[serde(default)]
    #[validate(length(max = 16))]
    #[schemars(inner(length(min = 1, max = 64)), extend("uniqueItems" = true))]
    pub tags: Vec<String>,
    /// In the order in which a form asks for them.
    #[serde(default)]
    #[validate(length(max = "VARIABLES_MAX"), nested)]
    pub variables: Vec<Variable>,
    /// An agent's document (`name`, `description`, `tags`, `metadata`, `config`) with placeholders: `${name}` in
    /// a text is the variable's value, and a text that is nothing else becomes the value with its type. `$${`
    /// is a plain `${`.
    pub agent: Map<String, Value>,
    /// Values of a worked example: what renders with them must be a valid agent before the template can be
    /// published.
    #[serde(default)]
    pub example: Map<String, Value>,
}

impl TemplateContent {
    /// Reads and checks content.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong, or the first member of a wrong shape.
    pub fn read(document: Value) -> Result<Self> {
        if depth(&document) > CONTENT_MAX_DEPTH {
            let violation = Violation::new("", "too_deep", "the document nests too deep");
            return Err(Error::Invalid(vec![violation.exceeding(CONTENT_MAX_DEPTH, depth(&document))]));
        }
        let content: Self = read(document)?;
        let violations = content.violations();
        if violations.is_empty() { Ok(content) } else { Err(Error::Invalid(violations)) }
    }

    /// The variable with this name.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// Checks that the example renders to a valid agent, so that whoever starts from it does not begin with
    /// an error.
    ///
    /// # Errors
    /// [`Error::Invalid`] with pointers into `/example` and `/agent`.
    pub fn refuse_unpublishable(&self) -> Result<()> {
        let rendering = render::render(self, &self.example, "/example");
        if rendering.agent.is_some() {
            Ok(())
        } else {
            Err(Error::Invalid(rendering.into_violations("/example")))
        }
    }

    fn violations(&self) -> Vec<Violation> {
        let bytes = serde_json::to_vec(self).map_or(0, |json| json.len());
        if bytes > CONTENT_MAX_BYTES {
            let violation = Violation::new("", "too_large", "the template has too many bytes");
            return vec![violation.exceeding(CONTENT_MAX_BYTES, bytes)];
        }
        let mut found = broken(self);
        if !self.name.is_empty() && self.name.trim().is_empty() {
            found.push(Violation::new("/name", "blank", "must not be only spaces"));
        }
        found.extend(tag_violations(&self.tags));
        if self.variables.len() as u64 <= VARIABLES_MAX {
            found.extend(self.variable_violations());
            found.extend(value_violations(&self.variables, &self.example, "/example"));
        }
        let others = self.agent.keys().filter(|name| !AGENT_FIELDS.contains(&name.as_str()));
        found.extend(Violation::unknown_members(others).into_iter().map(|violation| Violation {
            pointer: format!("/agent{}", violation.pointer),
            fix: None,
            ..violation
        }));
        for (name, member) in &self.agent {
            self.misplaced(member, &format!("/agent/{}", pointer_segment(name)), &mut found);
        }
        found.truncate(VIOLATIONS_MAX);
        in_order_of_fixes(found)
    }

    fn variable_violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut names = BTreeSet::new();
        for (index, variable) in self.variables.iter().enumerate() {
            let pointer = format!("/variables/{index}");
            if !names.insert(variable.name.as_str()) {
                found.push(Violation::new(
                    format!("{pointer}/name"),
                    "duplicate",
                    "two variables have this name",
                ));
            }
            found.extend(variable.violations(&pointer));
        }
        found
    }

    /// Placeholders that are none, or name no variable.
    fn misplaced(&self, value: &Value, pointer: &str, found: &mut Vec<Violation>) {
        if found.len() >= VIOLATIONS_MAX {
            return;
        }
        match value {
            Value::String(text) => match placeholders(text) {
                Ok(names) => {
                    for name in names.filter(|name| self.variable(name).is_none()) {
                        let detail = "a placeholder names no variable of the template";
                        let violation = Violation::new(pointer, "unknown_variable", detail);
                        found.push(Violation { current: Some(name.into()), ..violation });
                    }
                }
                Err(Unplaced) => {
                    let detail = "has a ${ that begins no placeholder; write $${ for a plain ${";
                    found.push(Violation::new(pointer, "placeholder", detail));
                }
            },
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.misplaced(item, &format!("{pointer}/{index}"), found);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let pointer = format!("{pointer}/{}", pointer_segment(name));
                    if name.contains("${") {
                        let detail = "a member's name can't have a placeholder";
                        found.push(Violation::new(pointer, "placeholder", detail));
                    } else {
                        self.misplaced(member, &pointer, found);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
