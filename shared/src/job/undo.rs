//! What takes a change of an agent back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agent::{Agent, Content, Stamp, Status};
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::patch::{self, Patch};
use crate::template::TemplateLink;

/// A status, as far as it can be taken back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusBefore {
    Active,
    Suspended { reason: String },
    Archived,
}

/// What takes a change back: what it says is as it was, and the rest was not touched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// A JSON Patch of the content; null where that stays.
    #[serde(rename = "p", default, skip_serializing_if = "Value::is_null")]
    pub patch: Value,
    /// The link to the template as it was, where that changed.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateLink>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusBefore>,
}

impl Undo {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What makes `after` into `before` again.
    ///
    /// # Errors
    /// [`Error::Internal`] if content has no form as JSON.
    pub fn between(before: &Agent, after: &Agent) -> Result<Self> {
        let patch = if before.content == after.content {
            Value::Null
        } else {
            patch_to(&before.content, &after.content)?
        };
        let template = before.template.clone().filter(|_| before.template != after.template);
        let status = (before.status != after.status).then(|| match &before.status {
            Status::Active => StatusBefore::Active,
            Status::Suspended { reason } => StatusBefore::Suspended { reason: reason.clone() },
            Status::Archived(_) => StatusBefore::Archived,
        });
        Ok(Self { patch, template, status })
    }

    /// The agent with the change taken back, one rev on.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the patch does not apply.
    pub fn of(&self, agent: &Agent, actor: &UserId, now: Timestamp) -> Result<Agent> {
        let mut document =
            serde_json::to_value(&agent.content).map_err(|_| Error::internal("content is no JSON"))?;
        let mut content = agent.content.clone();
        if !self.patch.is_null() {
            operations(&self.patch)?.apply(&mut document)?;
            content = Content::read(document)?;
        }
        let mut after = agent.with_content(content, actor, now);
        if let Some(template) = &self.template {
            after.template = Some(template.clone());
        }
        match &self.status {
            None => {}
            Some(StatusBefore::Active) => after.status = Status::Active,
            Some(StatusBefore::Suspended { reason }) => {
                after.status = Status::Suspended { reason: reason.clone() };
            }
            Some(StatusBefore::Archived) => {
                after.status = Status::Archived(Stamp { at: now, by: actor.clone() });
            }
        }
        Ok(after)
    }
}

/// A patch that makes `after` into `before` again, to the byte.
fn patch_to(before: &Content, after: &Content) -> Result<Value> {
    let json =
        |content: &Content| serde_json::to_value(content).map_err(|_| Error::internal("content is no JSON"));
    let patch = serde_json::to_value(patch::between(after, before)?)
        .map_err(|_| Error::internal("a patch is no JSON"))?;
    let (wanted, mut document) = (json(before)?, json(after)?);
    let applied = operations(&patch)?.apply(&mut document);
    if applied.is_ok() && document == wanted {
        return Ok(patch);
    }
    Ok(serde_json::json!([{"op": "replace", "path": "", "value": wanted}]))
}

/// A patch of our own making, however many operations it has.
fn operations(patch: &Value) -> Result<Patch> {
    let operations = serde_json::from_value(patch.clone());
    operations.map(Patch::Operations).map_err(|_| Error::internal("what takes a change back is no patch"))
}
