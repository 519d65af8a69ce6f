//! The same batches for the stream's second reader, which posts nothing and sends nothing.

use serde_json::Value;

use super::stream_fanout::Batches;
use super::{Event, Replay, check_none};
use crate::seed::Seeded;
use crate::services::Received;

#[derive(Debug)]
pub struct Indexed(Batches);

impl Indexed {
    pub fn new(seeded: &Seeded) -> Result<Self, String> {
        Batches::new(seeded).map(Self)
    }
}

impl Replay for Indexed {
    fn next(&mut self) -> Result<Event, String> {
        self.0.next()
    }

    fn heard(&mut self, answer: &Value) -> Result<(), String> {
        self.0.heard(answer)
    }

    fn check(&self, received: Received) -> Result<(), String> {
        check_none(received)
    }
}
