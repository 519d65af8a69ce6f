//! `cargo bench-local -- --jobs`: how long jobs and searches take among many agents. Agents are made by imports,
//! as many at a time as a request has room for. What is measured begins when the host is idle.

mod table;

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use self::table::{Base, Bases, Measured, mib, print_heading, rate};
use crate::client::Client;
use crate::server::Server;

/// How many agents an import makes.
const IMPORTED: usize = 1_000;
/// How many agents are read and changed one by one.
const ONE_BY_ONE: usize = 500;
/// The most rows of a page.
const LISTED: usize = 100;
/// How often a job is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The longest that a job may take.
const JOB_MAX: Duration = Duration::from_mins(10);
/// How often the host is asked whether it is idle: each time it waits for a minute.
const IDLE_ASKED_MAX: usize = 30;
/// How often each search is sent.
const SEARCHES: usize = 200;

/// Someone of a tenant who starts jobs and waits for them.
#[derive(Debug)]
struct Bench {
    client: Client,
    token: String,
    agents: usize,
}

/// A job that has succeeded.
#[derive(Debug)]
struct Ended {
    job: Value,
    took: Duration,
}

/// Measures jobs at 1,000 and 10,000 agents, and searches there and, if asked for, at 100,000.
///
/// # Errors
/// As the service's, as text.
pub async fn measure(server: &Server, is_large: bool) -> Result<(), String> {
    print_heading();
    let bases = Bench::of(server, "one-by-one").await?.bases().await?;
    let mut bench = Bench::of(server, "bench").await?;
    for agents in [1_000, 10_000] {
        bench.import_up_to(agents, &bases).await?;
        bench.update(&bases).await?;
        bench.rebuild(&bases).await?;
        bench.search(&bases).await?;
    }
    bench.export_and_import(server, &bases).await?;
    if is_large {
        bench.import_up_to(100_000, &bases).await?;
        bench.search(&bases).await?;
    }
    Ok(())
}

impl Bench {
    /// Someone of a tenant without agents.
    async fn of(server: &Server, tenant: &str) -> Result<Self, String> {
        let token = crate::prepare(server, tenant).await?;
        Ok(Self { client: Client::connect(&server.address).await?, token, agents: 0 })
    }

    async fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let answer = self.client.send(method, path, Some(&self.token), body).await?;
        serde_json::from_slice(&answer).map_err(|error| error.to_string())
    }

    /// Waits until the host has done and indexed everything.
    async fn settle(&mut self) -> Result<(), String> {
        for _ in 0..IDLE_ASKED_MAX {
            let idle = self.ask("GET", "/_local/idle", None).await;
            if idle.is_ok_and(|idle| idle["idle"] == true) {
                return Ok(());
            }
        }
        Err("the index does not settle".to_owned())
    }

    /// Starts a job, and waits for its end: from the request to the answer that tells of it. Of some jobs it is
    /// known how many items come to a good end.
    async fn run(&mut self, path: &str, said: &Value, expected: Option<usize>) -> Result<Ended, String> {
        let started_at = Instant::now();
        let job = self.ask("POST", path, Some(said)).await?;
        let place = format!("/v1/jobs/{}", job["id"].as_str().ok_or_else(|| job.to_string())?);
        loop {
            let job = self.ask("GET", &place, None).await?;
            let took = started_at.elapsed();
            if !job["ended_at"].is_null() {
                let is_whole = expected.is_none_or(|expected| job["done"] == json!(expected));
                let is_good = job["state"] == "succeeded" && is_whole;
                return if is_good { Ok(Ended { job, took }) } else { Err(job.to_string()) };
            }
            if took > JOB_MAX {
                return Err(format!("it takes too long: {job}"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What a rate is compared with: some agents, one after the other.
    async fn bases(mut self) -> Result<Bases, String> {
        self.import(ONE_BY_ONE).await?;
        let paths = self.paths().await?;
        self.settle().await?;
        let mut reads = Vec::new();
        for path in &paths {
            let sent_at = Instant::now();
            self.ask("GET", path, None).await?;
            reads.push(sent_at.elapsed());
        }
        let mut changes = Vec::new();
        for path in &paths {
            let sent_at = Instant::now();
            let patch = json!({"description": "One after the other."});
            self.client.change(path, &self.token, &patch).await?;
            changes.push(sent_at.elapsed());
        }
        let count = paths.len();
        let bases = Bases { get: rate(count, reads.iter().sum()), change: rate(count, changes.iter().sum()) };
        for (name, base, mut latencies) in
            [("get, one by one", Base::Get, reads), ("change, one by one", Base::Change, changes)]
        {
            latencies.sort_unstable();
            let took: Duration = latencies.iter().sum();
            let measured = Measured { name, agents: self.agents, count, took, base };
            bases.print_with(&measured, &latencies);
        }
        Ok(bases)
    }

    /// The path of each agent.
    async fn paths(&mut self) -> Result<Vec<String>, String> {
        let mut paths = Vec::new();
        let first = format!("/v1/agents?limit={LISTED}");
        let mut next = Some(first.clone());
        while let Some(place) = next {
            let page = self.ask("GET", &place, None).await?;
            let rows = page["items"].as_array().ok_or_else(|| page.to_string())?;
            let ids = rows.iter().filter_map(|row| row["id"].as_str());
            paths.extend(ids.map(|id| format!("/v1/agents/{id}")));
            next = page["next_cursor"].as_str().map(|cursor| format!("{first}&cursor={cursor}"));
        }
        if paths.len() == self.agents { Ok(paths) } else { Err(format!("{} agents are listed", paths.len())) }
    }

    /// Imports agents until there are so many. How many were imported, and how long the jobs took.
    async fn import(&mut self, agents: usize) -> Result<(usize, Duration), String> {
        let before = self.agents;
        let mut took = Duration::ZERO;
        while self.agents < agents {
            let content: Vec<Value> = (self.agents..(self.agents + IMPORTED).min(agents)).map(one).collect();
            let count = content.len();
            let said = json!({"format": "agent_management", "content": content});
            took += self.run("/v1/imports", &said, Some(count)).await?.took;
            self.agents += count;
        }
        Ok((self.agents - before, took))
    }

    async fn import_up_to(&mut self, agents: usize, bases: &Bases) -> Result<(), String> {
        self.settle().await?;
        let (count, took) = self.import(agents).await?;
        let name = &format!("import, {IMPORTED} in a request");
        bases.print(&Measured { name, agents, count, took, base: Base::Change });
        Ok(())
    }

    /// Changes every agent, and finds out what another change would come to.
    async fn update(&mut self, bases: &Bases) -> Result<(), String> {
        let agents = self.agents;
        // Another text than the last time, or there would be nothing to change.
        let text = format!("One of {agents}.");
        for (name, patch, is_dry) in [
            ("bulk update", json!({"description": text}), false),
            ("bulk update, dry run", json!({"tags": ["dry"]}), true),
        ] {
            let every = json!({"filter": {}});
            let said = json!({"kind": "update_agents", "selector": every, "patch": patch, "dry_run": is_dry});
            self.settle().await?;
            let ended = self.run("/v1/jobs", &said, Some(agents)).await?;
            if ended.job["outcomes"]["changed"] != json!(agents) {
                return Err(ended.job.to_string());
            }
            bases.print(&Measured { name, agents, count: agents, took: ended.took, base: Base::Change });
        }
        Ok(())
    }

    async fn rebuild(&mut self, bases: &Bases) -> Result<(), String> {
        self.settle().await?;
        let agents = self.agents;
        // Its items are agents and terms.
        let took = self.run("/v1/jobs", &json!({"kind": "rebuild_index"}), None).await?.took;
        bases.print(&Measured { name: "rebuild of the index", agents, count: agents, took, base: Base::Get });
        Ok(())
    }

    /// Exports every agent, without versions and with one of each, and imports each file into another tenant.
    async fn export_and_import(&mut self, server: &Server, bases: &Bases) -> Result<(), String> {
        let agents = self.agents;
        for (tenant, what, versions) in
            [("copies", "ndjson", false), ("copies-with-versions", "ndjson with versions", true)]
        {
            if versions {
                self.publish(bases).await?;
            }
            self.settle().await?;
            let said = json!({"kind": "export_agents", "format": "ndjson", "versions": versions});
            let Ended { job, took } = self.run("/v1/jobs", &said, Some(agents)).await?;
            if versions && job["result"]["versions"] != json!(agents) {
                return Err(job.to_string());
            }
            let file = self.file_of(&job).await?;
            let name = &format!("export, {what} ({:.1} MiB)", mib(file.len()));
            bases.print(&Measured { name, agents, count: agents, took, base: Base::Get });
            let mut other = Self::of(server, tenant).await?;
            let said = json!({"format": "agent_management", "versions": versions});
            let took = other.import_file(&file, said, agents).await?;
            let name = &format!("import of that file ({what})");
            bases.print(&Measured { name, agents, count: agents, took, base: Base::Change });
        }
        Ok(())
    }

    /// Gives each agent a version, one after the other.
    async fn publish(&mut self, bases: &Bases) -> Result<(), String> {
        let paths = self.paths().await?;
        self.settle().await?;
        let started_at = Instant::now();
        for path in &paths {
            self.ask("POST", &format!("{path}/publish"), None).await?;
        }
        let took = started_at.elapsed();
        let (agents, count) = (self.agents, paths.len());
        bases.print(&Measured { name: "publish, one by one", agents, count, took, base: Base::Change });
        Ok(())
    }

    /// Fetches what a job has written.
    async fn file_of(&mut self, job: &Value) -> Result<Bytes, String> {
        let id = job["id"].as_str().ok_or_else(|| job.to_string())?;
        let link = self.ask("GET", &format!("/v1/jobs/{id}/file"), None).await?;
        let url = link["url"].as_str().ok_or_else(|| link.to_string())?;
        let file = self.client.fetch(url).await?;
        let bytes = file.len();
        if link["bytes"] == json!(bytes) { Ok(file) } else { Err(format!("{bytes} bytes of {link}")) }
    }

    /// Imports a file of so many agents through an upload: from the request for its form to the job's end.
    async fn import_file(&mut self, file: &[u8], mut said: Value, agents: usize) -> Result<Duration, String> {
        self.settle().await?;
        let started_at = Instant::now();
        let upload = self.ask("POST", "/v1/imports/uploads", None).await?;
        let (Some(id), Some(url), Some(fields)) =
            (upload["id"].as_str(), upload["url"].as_str(), upload["fields"].as_object())
        else {
            return Err(upload.to_string());
        };
        self.client.upload(url, fields, file).await?;
        said["upload_id"] = json!(id);
        self.run("/v1/imports", &said, Some(agents)).await?;
        self.agents += agents;
        Ok(started_at.elapsed())
    }

    async fn search(&mut self, bases: &Bases) -> Result<(), String> {
        self.settle().await?;
        for (name, said) in [
            ("search: a tag of one in a hundred", json!({"filter": {"tag": "hundredth"}, "limit": 20})),
            (
                "search: a rare word, by name",
                json!({"filter": {"text": "number7"}, "sort": "name", "limit": 20}),
            ),
            ("search: half of all", json!({"filter": {"tag": "half"}, "limit": 20})),
        ] {
            let mut latencies = Vec::new();
            for _ in 0..SEARCHES {
                let sent_at = Instant::now();
                let page = self.ask("POST", "/v1/agents/search", Some(&said)).await?;
                latencies.push(sent_at.elapsed());
                if page["items"].as_array().is_none_or(Vec::is_empty) {
                    return Err(format!("{name}: nothing is found"));
                }
            }
            latencies.sort_unstable();
            let took: Duration = latencies.iter().sum();
            let measured = Measured { name, agents: self.agents, count: SEARCHES, took, base: Base::Get };
            bases.print_with(&measured, &latencies);
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
