//! A bounded load: some clients, each sending its next request when it has the last one's answer.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::Client;

/// What is asked again and again.
#[derive(Debug, Clone)]
pub enum Operation {
    /// The front and a handler that reads nothing: what every other operation costs at least.
    Live,
    Create,
    Get {
        paths: Vec<String>,
    },
    List50,
}

impl Operation {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Create => "create",
            Self::Get { .. } => "get",
            Self::List50 => "list 50",
        }
    }

    async fn once(&self, client: &mut Client, token: &str, turn: usize) -> Result<(), String> {
        let sent = match self {
            Self::Live => client.send("GET", "/health/live", None, None).await,
            Self::Create => client.send("POST", "/v1/agents", Some(token), Some(&an_agent())).await,
            Self::Get { paths } => client.send("GET", &paths[turn % paths.len()], Some(token), None).await,
            Self::List50 => client.send("GET", "/v1/agents?limit=50", Some(token), None).await,
        };
        sent.map(drop)
    }
}

/// An agent with a head of about 2 KB.
pub fn an_agent() -> Value {
    json!({
        "name": "Support",
        "tags": ["bench"],
        "config": {
            "model": {"provider": "anthropic", "id": "claude-haiku-4-5"},
            "instructions": "Answer questions about orders. ".repeat(45),
        },
    })
}

#[derive(Debug)]
pub struct Figures {
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
}

pub async fn run(
    address: &str,
    token: &str,
    operation: &Operation,
    clients: usize,
    duration: Duration,
) -> Result<Figures, String> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for first_turn in 0..clients {
        let (address, token, operation) = (address.to_owned(), token.to_owned(), operation.clone());
        tasks.spawn(async move {
            let mut client = Client::connect(&address).await?;
            let mut latencies = Vec::new();
            let mut turn = first_turn * 31;
            while start.elapsed() < duration {
                let sent_at = Instant::now();
                operation.once(&mut client, &token, turn).await?;
                latencies.push(sent_at.elapsed());
                turn += 1;
            }
            Ok::<_, String>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(finished) = tasks.join_next().await {
        latencies.extend(finished.map_err(|error| error.to_string())??);
    }
    let elapsed = start.elapsed();
    latencies.sort_unstable();
    let at =
        |hundredths: usize| latencies.get(latencies.len() * hundredths / 100).copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let per_second = latencies.len() as f64 / elapsed.as_secs_f64();
    Ok(Figures { per_second, p50: at(50), p99: at(99) })
}
