//! Batches of the table's stream: agents that are created, each with the change that follows. The
//! records are those of a seeded agent, with another agent's id and another time.

use agent_management::clock::{Clock, rfc3339};
use agent_management::id::AgentId;
use local::table::stream::records;
use serde_json::Value;

use super::{Event, Replay};
use crate::seed::Seeded;
use crate::services::Received;

/// Agents in a batch, each with two records.
const AGENTS: usize = 5;

#[derive(Debug)]
pub struct Batches {
    created: Template,
    updated: Template,
    clock: Clock,
    /// How many records there were.
    count: u64,
}

/// A record's JSON, and what in it is to be replaced.
#[derive(Debug)]
struct Template {
    json: String,
    agent: String,
    sequence_number: String,
    /// When the agent was created, and when it was changed.
    times: [String; 2],
}

impl Batches {
    pub fn new(seeded: &Seeded) -> Result<Self, String> {
        let agent = seeded.agents.first().ok_or("no agents")?;
        let found = records(&seeded.host.engine, 0, 500)?;
        let template = |name: &str| {
            let is_it = |record: &&local::table::stream::Record| {
                record.json["eventName"] == name && Template::agent(&record.json) == Some(agent)
            };
            found.iter().find(is_it).map(|record| Template::of(&record.json, agent)).ok_or(name.to_owned())
        };
        let (created, updated) = (template("INSERT")?, template("MODIFY")?);
        Ok(Self { created, updated, clock: seeded.host.clock.clone(), count: 0 })
    }

    fn record(&mut self, template: fn(&Self) -> &Template, agent: &str, at: &str) -> String {
        self.count += 1;
        template(self).fill(agent, self.count, at)
    }
}

impl Template {
    /// The id in the key of an agent's head.
    fn agent(record: &Value) -> Option<&str> {
        let keys = &record["dynamodb"]["Keys"];
        let partition = keys["PK"]["S"].as_str().filter(|_| keys["SK"]["S"] == "#H");
        partition.and_then(|partition| partition.rsplit('#').next())
    }

    fn of(record: &Value, agent: &str) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let image = &record["dynamodb"]["NewImage"];
        Self {
            json: record.to_string(),
            agent: agent.to_owned(),
            sequence_number: text(&record["dynamodb"]["SequenceNumber"]),
            times: [text(&image["created_at"]["S"]), text(&image["updated_at"]["S"])],
        }
    }

    fn fill(&self, agent: &str, count: u64, at: &str) -> String {
        let [created, updated] = &self.times;
        self.json
            .replace(&self.agent, agent)
            .replace(
                &self.sequence_number,
                &format!("{:021}", 100_000_000_000_000_000_000_u128 + u128::from(count)),
            )
            .replace(created, at)
            .replace(updated, at)
    }
}

impl Replay for Batches {
    fn next(&mut self) -> Result<Event, String> {
        let now = self.clock.now();
        let at = rfc3339(now);
        let mut records = Vec::new();
        for _ in 0..AGENTS {
            let agent = AgentId::generate(now).to_string();
            records.push(self.record(|batches| &batches.created, &agent, &at));
            records.push(self.record(|batches| &batches.updated, &agent, &at));
        }
        Ok(Event { name: "a batch", json: format!(r#"{{"Records":[{}]}}"#, records.join(",")) })
    }

    fn heard(&mut self, answer: &Value) -> Result<(), String> {
        match answer["batchItemFailures"].as_array() {
            Some(failures) if failures.is_empty() => Ok(()),
            Some(failures) => Err(format!("{} failures", failures.len())),
            None => Err("no batchItemFailures".to_owned()),
        }
    }

    fn check(&self, received: Received) -> Result<(), String> {
        // One endpoint wants every event; what sockets get is fewer frames when it is too much for them.
        if received.messages == self.count && received.frames > 0 {
            return Ok(());
        }
        let Received { frames, messages } = received;
        Err(format!("{} records became {frames} frames, {messages} messages", self.count))
    }
}
