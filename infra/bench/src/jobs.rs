//! `cargo bench-local -- --jobs`: how long jobs and searches take among many agents. Agents are made by imports,
//! as many at a time as a request has room for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::Server;

/// How many agents an import makes.
const IMPORTED: usize = 1_000;
/// How often a job is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The longest that a job may take.
const JOB_MAX: Duration = Duration::from_mins(10);
/// How often each search is sent.
const SEARCHES: usize = 200;

/// Someone who starts jobs and waits for them.
struct Bench<'a> {
    client: Client,
    token: &'a str,
    agents: usize,
}

/// Measures jobs at 1,000 and 10,000 agents, and searches there and, if asked for, at 100,000.
///
/// # Errors
/// As the service's, as text.
pub async fn measure(server: &Server, token: &str, is_large: bool) -> Result<(), String> {
    let mut bench = Bench { client: Client::connect(&server.address).await?, token, agents: 0 };
    println!("{:<34} {:>9} {:>10} {:>10}", "job", "agents", "seconds", "agents/s");
    for agents in [1_000, 10_000] {
        let imported = bench.import_up_to(agents).await?;
        print(&format!("import ({IMPORTED} a job)"), imported.0, imported.1);
        for (name, said) in [
            ("bulk update", json!({"kind": "update_agents", "patch": {"description": agents.to_string()}})),
            (
                "bulk update: dry run",
                json!({"kind": "update_agents", "patch": {"tags": ["dry"]}, "dry_run": true}),
            ),
        ] {
            let mut said = said;
            said["selector"] = json!({"filter": {}});
            let took = bench.run("/v1/jobs", &said, agents).await?;
            print(name, agents, took);
        }
        bench.settle().await?;
        let took = bench.run("/v1/jobs", &json!({"kind": "rebuild_index"}), 0).await?;
        print("rebuild_index", agents, took);
        bench.search().await?;
    }
    if is_large {
        bench.import_up_to(100_000).await?;
        bench.search().await?;
    }
    Ok(())
}

fn print(name: &str, agents: usize, took: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "at most 100,000")]
    let per_second = agents as f64 / took.as_secs_f64();
    println!("{name:<34} {agents:>9} {:>10.2} {per_second:>10.0}", took.as_secs_f64());
}

impl Bench<'_> {
    async fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let answer = self.client.send(method, path, Some(self.token), body).await?;
        serde_json::from_slice(&answer).map_err(|error| error.to_string())
    }

    /// Starts a job, and waits for its end: from the request to the answer that tells of it.
    async fn run(&mut self, path: &str, said: &Value, expected: usize) -> Result<Duration, String> {
        let started_at = Instant::now();
        let job = self.ask("POST", path, Some(said)).await?;
        let place = format!("/v1/jobs/{}", job["id"].as_str().ok_or_else(|| job.to_string())?);
        loop {
            let job = self.ask("GET", &place, None).await?;
            if !job["ended_at"].is_null() {
                let is_whole =
                    job["state"] == "succeeded" && (expected == 0 || job["done"] == json!(expected));
                return if is_whole { Ok(started_at.elapsed()) } else { Err(job.to_string()) };
            }
            if started_at.elapsed() > JOB_MAX {
                return Err(format!("it takes too long: {job}"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Imports agents until there are so many. How many were imported, and how long the jobs took.
    async fn import_up_to(&mut self, agents: usize) -> Result<(usize, Duration), String> {
        let before = self.agents;
        let mut took = Duration::ZERO;
        while self.agents < agents {
            let content: Vec<Value> = (self.agents..(self.agents + IMPORTED).min(agents)).map(one).collect();
            let count = content.len();
            let said = json!({"format": "agent_management", "content": content});
            took += self.run("/v1/imports", &said, count).await?;
            self.agents += count;
        }
        self.settle().await?;
        Ok((self.agents - before, took))
    }

    /// Waits until the index has everything; the host answers within a minute whether it has.
    async fn settle(&mut self) -> Result<(), String> {
        for _ in 0..30 {
            let idle = self.ask("GET", "/_local/idle", None).await;
            if idle.is_ok_and(|idle| idle["idle"] == true) {
                return Ok(());
            }
        }
        Err("the index does not settle".to_owned())
    }

    async fn search(&mut self) -> Result<(), String> {
        println!("{:<34} {:>9} {:>10} {:>10}", "search", "agents", "p50 ms", "p99 ms");
        for (name, said) in [
            ("a tag of one in a hundred", json!({"filter": {"tag": "hundredth"}, "limit": 20})),
            ("a rare word, by name", json!({"filter": {"text": "number7"}, "sort": "name", "limit": 20})),
            ("half of all", json!({"filter": {"tag": "half"}, "limit": 20})),
        ] {
            let mut took = Vec::new();
            for _ in 0..SEARCHES {
                let at = Instant::now();
                self.ask("POST", "/v1/agents/search", Some(&said)).await?;
                took.push(at.elapsed());
            }
            took.sort();
            let ms = |share: usize| took[(SEARCHES * share / 100).min(SEARCHES - 1)].as_secs_f64() * 1_000.0;
            println!("{name:<34} {:>9} {:>10.2} {:>10.2}", self.agents, ms(50), ms(99));
        }
        Ok(())
    }
}

/// An agent as small as a request has room for a thousand.
fn one(number: usize) -> Value {
    let mut tags = Vec::new();
    if number.is_multiple_of(2) {
        tags.push("half");
    }
    if number.is_multiple_of(100) {
        tags.push("hundredth");
    }
    json!({
        "name": format!("Agent number{number}"),
        "tags": tags,
        "config": {"model": {"provider": "anthropic", "id": "claude-haiku-4-5"}, "instructions": "Answer."},
    })
}
