//! What may be changed about an agent, and what the change leads to. Each function takes the agent
//! as it was read and gives it as it should be, or `None` when there is nothing to do.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::alias::Alias;
use super::version::{Published, fingerprint};
use super::{Agent, AgentView, Content, NewAgent, Stamp, Status, TransferDocument};
use crate::error::{Error, Result};
use crate::id::{AliasName, UserId};
use crate::json;
use crate::patch::{self, Patch};
use crate::violation::Violation;

/// The members that clients write. All others are the service's.
const CONTENT_FIELDS: [&str; 5] = ["name", "description", "tags", "metadata", "config"];

/// The content that `patch` makes of the agent's, if it makes another.
///
/// # Errors
/// [`Error::Invalid`] when the patch does not apply, touches what only the service writes, or leads
/// to content of a wrong shape; [`Error::Conflict`] when one of its tests fails.
pub fn patched(agent: &Agent, patch: &Patch) -> Result<Option<Content>> {
    refuse_archived(agent)?;
    let view =
        serde_json::to_value(AgentView::from(agent)).map_err(|_| Error::internal("an agent is no JSON"))?;
    let document = patch::written(patch, view, &CONTENT_FIELDS, show_empty_lists)?;
    let content = Content::read(document)?;
    Ok((content != agent.content).then_some(content))
}

/// Puts in the lists that an agent's JSON leaves out while they are empty, so that a patch can add to
/// them.
fn show_empty_lists(agent: &mut Value) {
    const LISTS: [(&str, &str); 6] = [
        ("/config", "tools"),
        ("/config", "mcp_servers"),
        ("/config", "knowledge"),
        ("/config", "guardrails"),
        ("/config", "sub_agents"),
        ("/config/model", "fallbacks"),
    ];
    for (parent, list) in LISTS {
        if let Some(members) = agent.pointer_mut(parent).and_then(Value::as_object_mut) {
            members.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        }
    }
}

fn content_members(content: &Content) -> Result<Map<String, Value>> {
    match serde_json::to_value(content) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) | Err(_) => Err(Error::internal("content is no JSON object")),
    }
}

/// `content`, if it is other than the agent's.
///
/// # Errors
/// [`Error::Conflict`] for an archived agent.
pub fn replaced(agent: &Agent, content: &Content) -> Result<Option<Content>> {
    if *content == agent.content {
        return Ok(None);
    }
    refuse_archived(agent)?;
    Ok(Some(content.clone()))
}

/// The content with `tool` in the place of the tool that has its id, or added to the others.
///
/// # Errors
/// As [`Content::read`], with pointers into the agent.
pub fn with_tool(agent: &Agent, tool_id: &str, mut tool: Value) -> Result<Option<Content>> {
    refuse_archived(agent)?;
    let Some(members) = tool.as_object_mut() else {
        return Err(Error::Invalid(vec![Violation::new("", "wrong_type", "a tool is an object")]));
    };
    match members.insert("tool_id".to_owned(), tool_id.into()) {
        Some(given) if given != tool_id => {
            let detail = "must be the id in the path, or absent";
            return Err(Error::Invalid(vec![Violation::new("/tool_id", "mismatch", detail)]));
        }
        Some(_) | None => {}
    }
    let tools = &agent.content.config.tools;
    let index = tools.iter().position(|known| known.tool_id == tool_id).unwrap_or(tools.len());
    let mut document = content_members(&agent.content)?;
    let config = document.get_mut("config").and_then(Value::as_object_mut);
    let config = config.ok_or_else(|| Error::internal("content without a configuration"))?;
    let list = config.entry("tools").or_insert_with(|| Value::Array(Vec::new()));
    let list = list.as_array_mut().ok_or_else(|| Error::internal("tools are no list"))?;
    if index < list.len() {
        list[index] = tool;
    } else {
        list.push(tool);
    }
    let prefix = format!("/config/tools/{index}");
    let content = Content::read(Value::Object(document)).map_err(|error| relative_to(&prefix, error))?;
    Ok((content != agent.content).then_some(content))
}

/// Points at members of the document that was sent instead of the one that it became a part of.
fn relative_to(prefix: &str, error: Error) -> Error {
    let Error::Invalid(mut violations) = error else {
        return error;
    };
    for violation in &mut violations {
        if let Some(relative) = violation.pointer.strip_prefix(prefix) {
            violation.pointer = relative.to_owned();
            violation.fix = None;
        }
    }
    Error::Invalid(violations)
}

/// The content without the tool.
///
/// # Errors
/// [`Error::NotFound`] when the agent does not have it.
pub fn without_tool(agent: &Agent, tool_id: &str) -> Result<Content> {
    refuse_archived(agent)?;
    let mut content = agent.content.clone();
    content.config.tools.retain(|tool| tool.tool_id != tool_id);
    if content == agent.content { Err(Error::NotFound("tool")) } else { Ok(content) }
}

/// The status of an archived agent, unless it is one already.
pub fn archived(agent: &Agent, actor: &UserId, now: Timestamp) -> Option<Status> {
    match agent.status {
        Status::Archived(_) => None,
        Status::Active | Status::Suspended { .. } => {
            Some(Status::Archived(Stamp { at: now, by: actor.clone() }))
        }
    }
}

/// The status of a restored agent, unless it is in use already.
///
/// # Errors
/// [`Error::Conflict`] for a suspended one: what suspended it must be mended.
pub fn restored(agent: &Agent) -> Result<Option<Status>> {
    match &agent.status {
        Status::Archived(_) => Ok(Some(Status::Active)),
        Status::Active => Ok(None),
        Status::Suspended { .. } => Err(Error::Conflict("The agent is suspended, not archived.".to_owned())),
    }
}

/// A new agent like this one. `key` and `name` may be given; a key is never copied.
///
/// # Errors
/// [`Error::Invalid`].
pub fn duplicate(agent: &Agent, said: Value) -> Result<NewAgent> {
    let Value::Object(mut members) = said else {
        return Err(Error::Invalid(vec![Violation::new("", "wrong_type", "must be an object")]));
    };
    let mut document = content_members(&agent.content)?;
    let name = members.remove("name").unwrap_or_else(|| copy_of(&agent.content.name).into());
    document.insert("name".to_owned(), name);
    if let Some(key) = members.remove("key") {
        document.insert("key".to_owned(), key);
    }
    if !members.is_empty() {
        return Err(Error::Invalid(Violation::unknown_members(members.keys())));
    }
    NewAgent::read(Value::Object(document))
}

fn copy_of(name: &str) -> String {
    const PREFIX: &str = "Copy of ";
    PREFIX
        .chars()
        .chain(name.chars())
        .zip(0..super::content::NAME_MAX)
        .map(|(character, _)| character)
        .collect()
}

/// The user whom a transfer names.
///
/// # Errors
/// [`Error::Invalid`].
pub fn new_owner(said: Value) -> Result<UserId> {
    let TransferDocument { owner } = json::read(said)?;
    let violation = || Violation::new("/owner", "user_format", "must be 1 to 128 visible ASCII characters");
    owner.parse().map_err(|_| Error::Invalid(vec![violation()]))
}

/// The number of a new version, and how many the tier keeps.
#[derive(Debug, Clone, Copy)]
pub struct Minted {
    pub number: u64,
    pub kept_max: Option<u64>,
}

/// # Errors
/// [`Error::Conflict`] for an agent that can't be published: an archived or suspended one.
pub fn refuse_unpublishable(agent: &Agent) -> Result<()> {
    match &agent.status {
        Status::Active => Ok(()),
        Status::Archived(_) => refuse_archived(agent),
        Status::Suspended { .. } => Err(Error::Conflict("The agent is suspended.".to_owned())),
    }
}

/// # Errors
/// [`Error::Conflict`] for an archived agent, which is read-only.
pub fn refuse_archived(agent: &Agent) -> Result<()> {
    match agent.status {
        Status::Archived(_) => Err(Error::Conflict("The agent is archived; restore it first.".to_owned())),
        Status::Active | Status::Suspended { .. } => Ok(()),
    }
}

impl Agent {
    /// This agent one rev on.
    fn next(&self, actor: &UserId, now: Timestamp) -> Self {
        Self { rev: self.rev + 1, updated: Stamp { at: now, by: actor.clone() }, ..self.clone() }
    }

    pub fn with_content(&self, content: Content, actor: &UserId, now: Timestamp) -> Self {
        Self { content, ..self.next(actor, now) }
    }

    pub fn with_status(&self, status: Status, actor: &UserId, now: Timestamp) -> Self {
        Self { status, ..self.next(actor, now) }
    }

    pub fn with_owner(&self, owner: UserId, actor: &UserId, now: Timestamp) -> Self {
        Self { owner, ..self.next(actor, now) }
    }

    /// With a version of its draft as the last one, where there is a new one, and with `live` as it is to be.
    pub fn with_publication(
        &self,
        minted: Option<Minted>,
        live: Option<Alias>,
        actor: &UserId,
        now: Timestamp,
    ) -> Self {
        let mut after = self.next(actor, now);
        after.aliases.extend(live.map(|alias| (AliasName::live(), alias)));
        if let Some(Minted { number, kept_max }) = minted {
            after.published = Some(Published { version: number, content: fingerprint(&self.content) });
            after.versions = self.versions.and(number, kept_max, &after.versions_in_use());
        }
        after.led_on()
    }

    /// With what `live` leads to among what it has led to.
    fn led_on(self) -> Self {
        let live = self.aliases.get(&AliasName::live());
        let routes = live.iter().flat_map(|alias| &alias.routes).map(|route| route.version);
        let led = self.led.joined(routes, &self.versions);
        Self { led, ..self }
    }

    /// With an alias as it is to be.
    pub fn with_alias(&self, name: AliasName, alias: Alias, actor: &UserId, now: Timestamp) -> Self {
        let mut after = self.next(actor, now);
        after.aliases.insert(name, alias);
        after.led_on()
    }

    pub fn without_alias(&self, name: &AliasName, actor: &UserId, now: Timestamp) -> Self {
        let mut after = self.next(actor, now);
        after.aliases.remove(name);
        after
    }

    /// The agent that a creation brings back under the id of a deleted one: `rev` goes on.
    pub fn revived_after(self, deleted_rev: u64) -> Self {
        Self { rev: deleted_rev + 1, ..self }
    }
}
