//! The use case of making an agent from a version of a template.

use jiff::Timestamp;

use crate::agent::{Agent, NewAgent};
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::id::{AgentId, AgentKey};
use crate::template::render::render_named;
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
    let rendering = render_named(&version.content, &said.variables, said.name.as_deref(), "/variables");
    let Some(content) = rendering.agent.clone() else {
        return Err(Error::Invalid(rendering.into_violations("/variables")));
    };
    let mut agent = Agent::create(id, NewAgent { key, content }, caller.user.clone(), now);
    agent.template = Some(TemplateLink {
        id: version.template.clone(),
        version: version.number,
        name: said.name.clone(),
        variables: said.variables.clone(),
    });
    Ok(agent)
}
