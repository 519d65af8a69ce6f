//! Answers that several functions give: agents, and what became of creating one.

use http::StatusCode;

use super::reply::Reply;
use crate::agent::{Agent, AgentView};
use crate::error::{Error, Result};
use crate::usecase::insert::Inserted;

/// The agent with its ETag.
///
/// # Errors
/// [`Error::Internal`] if it has no form as JSON.
pub fn agent(agent: &Agent) -> Result<Reply> {
    Ok(Reply::ok(&AgentView::from(agent))?.with_etag(agent.rev))
}

/// 201 with the agent and its place.
///
/// # Errors
/// [`Error::Internal`] if it has no form as JSON.
pub fn created(agent: &Agent) -> Result<Reply> {
    let reply = Reply::json(StatusCode::CREATED, &AgentView::from(agent))?;
    Ok(reply.with_etag(agent.rev).with_location(&format!("/v1/agents/{}", agent.id)))
}

/// What became of creating an agent.
///
/// # Errors
/// [`Error::KeyTaken`].
pub fn inserted(inserted: Inserted) -> Result<Reply> {
    match inserted {
        Inserted::Created(agent) => created(&agent),
        Inserted::Replayed(agent) => Ok(created(&agent)?.replayed()),
        Inserted::Taken => Err(Error::KeyTaken),
    }
}
