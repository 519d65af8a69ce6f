//! The use case of making an agent from a version of a template.

use jiff::Timestamp;
use serde_json::Value;

use crate::agent::{Agent, Content, NewAgent};
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::id::{AgentId, AgentKey};
use crate::template::render::render;
use crate::template::{InstantiateDocument, TemplateLink, TemplateVersion};

/// The agent that a version and its variables make, not yet written.
///
/// # Errors
/// [`Error::Invalid`] with everything that keeps it from being one.
pub fn instance(
    id: AgentId,
    key: Option<AgentKey>,
    version: &TemplateVersion,
    said: &InstantiateDocument,
    caller: &Caller,
    now: Timestamp,
) -> Result<Agent> {
    let rendering = render(&version.content, &said.variables, "/variables");
    let Some(mut content) = rendering.agent.clone() else {
        return Err(Error::Invalid(rendering.into_violations("/variables")));
    };
    if let Some(name) = &said.name {
        content = named(&content, name)?;
    }
    let mut agent = Agent::create(id, NewAgent { key, content }, caller.user.clone(), now);
    agent.template = Some(TemplateLink {
        id: version.template.clone(),
        version: version.number,
        name: said.name.clone(),
        variables: said.variables.clone(),
    });
    Ok(agent)
}

/// The content with another name, checked again.
fn named(content: &Content, name: &str) -> Result<Content> {
    let mut document =
        serde_json::to_value(content).map_err(|_| Error::internal("content has no form as JSON"))?;
    if let Some(members) = document.as_object_mut() {
        members.insert("name".to_owned(), Value::String(name.to_owned()));
    }
    Content::read(document)
}
