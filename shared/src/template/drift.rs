//! How an agent and the template that it was made from have grown apart, and how they come together again:
//! what the agent changed since, what the template changed since, and a three-way merge of both.

use std::collections::BTreeMap;

use json_patch::PatchOperation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use validator::Validate;

use super::merge::{Conflict, Merged, Side, merge};
use super::render::{Rendering, render_named, within_agent};
use super::{TemplateLink, TemplateVersion};
use crate::agent::config::ModelRef;
use crate::agent::{Content, read_bounded};
use crate::diff::{Difference, differences};
use crate::error::{Error, Result};
use crate::id::AgentId;
use crate::violation::{PatchStep, Violation};

/// The most resolutions that an upgrade names.
const RESOLUTIONS_MAX: u64 = 500;

/// What a question about drift says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriftDocument {
    pub agent_id: AgentId,
    /// The template's version to compare with; absent means the last one.
    #[serde(default)]
    pub version: Option<u64>,
}

/// What an upgrade says.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeDocument {
    pub agent_id: AgentId,
    /// The version to upgrade to, or back to; absent means the last one.
    #[serde(default)]
    pub version: Option<u64>,
    /// Values that differ from those that the agent was made with. Null takes one back to its default.
    #[serde(default)]
    pub variables: Map<String, Value>,
    /// Whose value the conflicts take that `resolutions` does not name.
    #[serde(default)]
    pub take: Option<Side>,
    /// Whose value a conflict takes, by its pointer.
    #[serde(default)]
    #[validate(length(max = "RESOLUTIONS_MAX"))]
    pub resolutions: BTreeMap<String, Side>,
}

impl UpgradeDocument {
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(document: Value) -> Result<Self> {
        read_bounded(document)
    }
}

/// One place where two documents differ.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "TemplateDifference")]
pub struct DifferenceView {
    /// A JSON Pointer (RFC 6901) into an agent's content.
    pub pointer: String,
    /// Null where there was nothing.
    pub before: Option<Value>,
    /// Null where there is nothing.
    pub after: Option<Value>,
}

impl From<Difference> for DifferenceView {
    fn from(difference: Difference) -> Self {
        let Difference { pointer, before, after } = difference;
        Self { pointer, before, after }
    }
}

/// How an agent and its template have grown apart.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "TemplateDrift")]
pub struct Drift {
    pub agent_id: AgentId,
    pub agent_rev: u64,
    /// The version that the agent follows.
    pub from_version: u64,
    /// The version that it is compared with.
    pub to_version: u64,
    /// What the agent changed since it was made, or upgraded.
    pub agent_changes: Vec<DifferenceView>,
    /// What the template changed since; empty while `violations` or `unresolved` keep its version from being
    /// rendered.
    pub template_changes: Vec<DifferenceView>,
    /// What both changed, and differently.
    pub conflicts: Vec<Conflict>,
    /// Variables of the later version that have neither a value nor a default.
    pub unresolved: Vec<String>,
    /// Values that the later version has no variable for.
    pub dropped: Vec<String>,
    /// What keeps the later version from being rendered with the agent's values: pointers begin with
    /// `/variables` for a value, and with `/agent` for what it renders to.
    pub violations: Vec<Violation>,
}

/// What an upgrade leads to, previewed or applied.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "TemplateUpgrade")]
pub struct UpgradeView<'a, A> {
    /// Whether the agent is changed; false of a preview.
    pub applied: bool,
    pub from_version: u64,
    pub to_version: u64,
    /// A JSON Patch (RFC 6902) that makes the agent's content what it is after the upgrade.
    #[schemars(with = "Vec<PatchStep>")]
    pub patch: Vec<PatchOperation>,
    /// What both sides changed, and differently, with the side that was taken.
    pub conflicts: &'a [Conflict],
    /// Values that the version has no variable for, and that the agent no longer remembers.
    pub dropped: &'a [String],
    /// What keeps the upgrade from being applied; empty once it is.
    pub violations: Vec<Violation>,
    /// The agent, as it is or would be.
    pub agent: A,
}

/// An upgrade that has been worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct Upgraded {
    pub content: Content,
    pub link: TemplateLink,
    pub conflicts: Vec<Conflict>,
    pub dropped: Vec<String>,
}

/// The two versions of a template between which an agent stands.
#[derive(Debug, Clone, Copy)]
pub struct Between<'a> {
    pub from: &'a TemplateVersion,
    pub to: &'a TemplateVersion,
}

/// The agent's content and what it remembers.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    pub content: &'a Content,
    pub link: &'a TemplateLink,
}

/// The values that the later version is rendered with: the agent's own with what is given instead, as far as
/// there are variables for them; and the names of those that there are none for.
fn carried(
    to: &TemplateVersion,
    link: &TemplateLink,
    given: &Map<String, Value>,
) -> (Map<String, Value>, Vec<String>) {
    let mut values = link.variables.clone();
    for (name, value) in given {
        // A variable that admits null can't be given it here; its default is what null asks for.
        if value.is_null() {
            values.remove(name);
        } else {
            values.insert(name.clone(), value.clone());
        }
    }
    let dropped: Vec<String> = values
        .keys()
        .filter(|name| to.content.variable(name).is_none() && !given.contains_key(*name))
        .cloned()
        .collect();
    values.retain(|name, _| !dropped.contains(name));
    (values, dropped)
}

/// What a version renders to for the agent.
fn rendered(version: &TemplateVersion, link: &TemplateLink, values: &Map<String, Value>) -> Rendering {
    render_named(&version.content, values, link.name.as_deref(), "/variables")
}

fn document_of(content: &Content) -> Result<Value> {
    serde_json::to_value(content).map_err(|_| Error::internal("content is no JSON"))
}

/// A content as it is merged: the model is one value, `provider/id`, so that nobody gets one side's provider
/// with the other's model.
fn mergeable(mut document: Value) -> Value {
    if let Some(model) = document.pointer_mut("/config/model").and_then(Value::as_object_mut)
        && let (Some(Value::String(provider)), Some(Value::String(id))) =
            (model.remove("provider"), model.get("id"))
    {
        let name = format!("{provider}/{id}");
        model.insert("id".to_owned(), name.into());
    }
    document
}

/// What [`mergeable`] was made of.
fn unmergeable(mut document: Value) -> Value {
    if let Some(model) = document.pointer_mut("/config/model").and_then(Value::as_object_mut)
        && let Some(Value::String(name)) = model.get("id")
    {
        let ModelRef { provider, id } = ModelRef::stored(name);
        model.insert("provider".to_owned(), provider.into());
        model.insert("id".to_owned(), id.into());
    }
    document
}

/// Merges contents; a conflict of the model is at `/config/model/id`.
fn merged(base: Value, ours: Value, theirs: Value, choose: impl Fn(&str) -> Option<Side>) -> Merged {
    let Merged { document, conflicts } =
        merge(&mergeable(base), &mergeable(ours), &mergeable(theirs), choose);
    Merged { document: unmergeable(document), conflicts }
}

/// What the version that the agent follows rendered to when it was made.
fn base(between: Between<'_>, made: Made<'_>) -> Result<Value> {
    let rendering = rendered(between.from, made.link, &made.link.variables);
    let content = rendering.agent.ok_or_else(|| {
        Error::Conflict("What the agent was made from can no longer be rendered as it was.".to_owned())
    })?;
    document_of(&content)
}

/// How the agent and its template have grown apart.
///
/// # Errors
/// [`Error::Conflict`] when the version that the agent follows renders no more.
pub fn drift(id: &AgentId, rev: u64, made: Made<'_>, between: Between<'_>) -> Result<Drift> {
    let (base, ours) = (base(between, made)?, document_of(made.content)?);
    let (values, dropped) = carried(between.to, made.link, &Map::new());
    let rendering = rendered(between.to, made.link, &values);
    let agent_changes = differences(&base, &ours).into_iter().map(Into::into).collect();
    let (mut template_changes, mut conflicts) = (Vec::new(), Vec::new());
    if let Some(content) = &rendering.agent {
        let theirs = document_of(content)?;
        template_changes = differences(&base, &theirs).into_iter().map(Into::into).collect();
        conflicts = merged(base, ours, theirs, |_| None).conflicts;
    }
    Ok(Drift {
        agent_id: id.clone(),
        agent_rev: rev,
        from_version: between.from.number,
        to_version: between.to.number,
        agent_changes,
        template_changes,
        conflicts,
        unresolved: rendering.unresolved,
        dropped,
        violations: rendering.violations,
    })
}

/// Works out an upgrade. Conflicts that nobody decided keep the agent's value; whether that may be applied is
/// for [`Upgraded::undecided`] to say.
///
/// # Errors
/// [`Error::Invalid`] when the later version does not render with the values, when `resolutions` names no
/// conflict, or when the merged document is no agent's; [`Error::Conflict`] as [`drift`].
pub fn upgrade(made: Made<'_>, between: Between<'_>, said: &UpgradeDocument) -> Result<Upgraded> {
    let (base, ours) = (base(between, made)?, document_of(made.content)?);
    let (values, dropped) = carried(between.to, made.link, &said.variables);
    let is_known =
        |name: &str| between.to.content.variable(name).is_some() || made.link.variables.contains_key(name);
    let nowhere = said.variables.iter().filter(|(name, value)| value.is_null() && !is_known(name));
    let nowhere: Vec<Violation> = nowhere
        .map(|(name, _)| {
            let place = format!("/variables/{}", crate::violation::pointer_segment(name));
            Violation::new(place, "unknown_variable", "the template has no such variable")
        })
        .collect();
    if !nowhere.is_empty() {
        return Err(Error::Invalid(nowhere));
    }
    let rendering = rendered(between.to, made.link, &values);
    let Some(theirs) = &rendering.agent else {
        return Err(Error::Invalid(rendering.into_violations("/variables")));
    };
    let choose = |pointer: &str| said.resolutions.get(pointer).copied().or(said.take);
    let Merged { document, conflicts } = merged(base, ours, document_of(theirs)?, choose);
    let is_conflict = |pointer: &str| conflicts.iter().any(|conflict| conflict.pointer == pointer);
    let unknown = said.resolutions.keys().filter(|pointer| !is_conflict(pointer));
    let unknown: Vec<Violation> = unknown
        .map(|pointer| {
            let place = format!("/resolutions/{}", crate::violation::pointer_segment(pointer));
            Violation::new(place, "no_conflict", "there is no conflict at this pointer")
        })
        .collect();
    // Of an upgrade that was done already, what it resolved is no conflict any more.
    let is_done = made.link.version == between.to.number && values == made.link.variables;
    if !unknown.is_empty() && !is_done {
        return Err(Error::Invalid(unknown));
    }
    let content = Content::read(document).map_err(|error| match error {
        Error::Invalid(found) => Error::Invalid(found.into_iter().map(within_agent).collect()),
        other => other,
    })?;
    let link = TemplateLink { version: between.to.number, variables: values, ..made.link.clone() };
    Ok(Upgraded { content, link, conflicts, dropped })
}

impl Upgraded {
    /// Conflicts that nobody decided, as a refusal names them.
    pub fn undecided(&self) -> Vec<Violation> {
        let undecided = self.conflicts.iter().filter(|conflict| conflict.taken.is_none());
        undecided
            .map(|conflict| {
                let detail = "the agent and the template changed this differently; say whose value to take";
                Violation::new(conflict.pointer.clone(), "merge_conflict", detail)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_is_one_value() {
        let on = |provider: &str, id: &str| json!({"name": "a", "config": {"model": {"provider": provider, "id": id, "parameters": {"seed": 1}}}});
        let [base, ours, theirs] = [on("p", "a/b"), on("q", "c"), on("p", "d")];
        let found = merged(base.clone(), ours.clone(), theirs.clone(), |_| Some(Side::Template));
        assert_eq!(found.document, theirs);
        assert_eq!(found.conflicts.len(), 1);
        let conflict = &found.conflicts[0];
        assert_eq!((conflict.pointer.as_str(), &conflict.base), ("/config/model/id", &Some(json!("p/a/b"))));
        assert_eq!(merged(base.clone(), base.clone(), theirs.clone(), |_| None).document, theirs);
        assert_eq!(merged(base.clone(), ours.clone(), base, |_| None).document, ours);
    }
}
