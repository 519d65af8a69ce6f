//! What each function is sent, as Lambda's triggers write it: events that do real work, of which none
//! repeats a write. A function that has none here can't be measured, so a new one has to bring its own.

mod agents;
mod authorizer;
mod job_worker;
mod jobs;
mod rest;
mod search_indexer;
mod steps;
mod stream_fanout;
mod templates;
mod webhooks;
mod websocket;

use serde_json::Value;

use crate::seed::Seeded;
use crate::services::Received;

/// An event, and what to call it when it goes wrong.
#[derive(Debug)]
pub struct Event {
    pub name: &'static str,
    pub json: String,
}

/// Events without end, each made when the one before it has been answered.
pub trait Replay {
    /// The next event.
    fn next(&mut self) -> Result<Event, String>;

    /// Reads the answer to the last event: an error unless it is a success.
    fn heard(&mut self, answer: &Value) -> Result<(), String>;

    /// Whether sockets and queues got what the events were to bring them.
    fn check(&self, received: Received) -> Result<(), String>;
}

/// That sockets and queues got nothing.
fn check_none(received: Received) -> Result<(), String> {
    let Received { frames, messages } = received;
    if frames + messages == 0 { Ok(()) } else { Err(format!("it sent {frames} frames, {messages} messages")) }
}

/// Makes the events of one function for what was seeded.
pub type Prepare = for<'seeded> fn(&'seeded Seeded) -> Result<Box<dyn Replay + 'seeded>, String>;

/// The events of the function; none if nobody has written any.
pub fn of(function: &str) -> Option<Prepare> {
    match function {
        "agents" => Some(|seeded| Ok(Box::new(agents::Agents::new(seeded)))),
        "authorizer" => Some(|seeded| Ok(Box::new(authorizer::Authorizations::new(seeded)))),
        "job-worker" => Some(|seeded| Ok(Box::new(job_worker::Steps::new(seeded)))),
        "jobs" => Some(|seeded| Ok(Box::new(jobs::Jobs::new(seeded)?))),
        "search-indexer" => Some(|seeded| Ok(Box::new(search_indexer::Indexed::new(seeded)?))),
        "stream-fanout" => Some(|seeded| Ok(Box::new(stream_fanout::Batches::new(seeded)?))),
        "templates" => Some(|seeded| Ok(Box::new(templates::Templates::new(seeded)?))),
        "webhooks" => Some(|seeded| Ok(Box::new(webhooks::Webhooks::new(seeded)))),
        "websocket" => Some(|seeded| Ok(Box::new(websocket::Sockets::new(seeded)))),
        _ => None,
    }
}
