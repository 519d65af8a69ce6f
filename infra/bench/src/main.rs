//! `cargo bench-local`: what the local host serves on this machine. It starts the host as a process
//! of its own, optimised and durable on disk, loads it with clients on the same cores for a few
//! seconds each, and prints a table.

mod client;
mod events;
mod jobs;
mod load;
mod server;

use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};

use crate::client::Client;
use crate::load::{Operation, run};
use crate::server::Server;

/// Agents in the tenant before anything is measured.
const AGENTS: usize = 200;
/// How long a token is good: longer than anything here takes.
const TOKEN_TTL_S: u32 = 12 * 3_600;

#[derive(Debug, Parser)]
struct Options {
    /// Seconds that each operation is loaded for.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Measure jobs and searches among many agents instead.
    #[arg(long)]
    jobs: bool,
    /// With `--jobs`: search among 100,000 agents, too, which takes minutes to make.
    #[arg(long)]
    large: bool,
    /// Serve instead of measuring: what this program starts.
    #[arg(long, hide = true)]
    serve: Option<std::path::PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), String> {
    let options = Options::parse();
    if let Some(data) = options.serve {
        return local::server::run(local::cli::Options {
            port: 0,
            data,
            cors_origins: Vec::new(),
            ephemeral: false,
        })
        .await;
    }
    if options.jobs {
        let server = Server::start().await?;
        jobs::measure(&server, options.large).await?;
        return server.stop().await;
    }
    measure(Duration::from_secs(options.seconds)).await
}

async fn measure(duration: Duration) -> Result<(), String> {
    let server = Server::start().await?;
    println!("first answer after start  {:>8.0} ms", server.first_answer_after.as_secs_f64() * 1_000.0);
    println!("memory when idle          {:>8.1} MiB", server.resident_mib()?);
    let token = prepare(&server, "bench").await?;
    let paths = agents(&server, &token).await?;
    println!("\n{:<10} {:>7} {:>12} {:>9} {:>9}", "operation", "clients", "requests/s", "p50 ms", "p99 ms");
    for clients in [1, 16] {
        let get = Operation::Get { paths: paths.clone() };
        for operation in [Operation::Live, get, Operation::List50, Operation::Create] {
            let figures = run(&server.address, &token, &operation, clients, duration).await?;
            println!(
                "{:<10} {:>7} {:>12.0} {:>9.2} {:>9.2}",
                operation.name(),
                clients,
                figures.per_second,
                figures.p50.as_secs_f64() * 1_000.0,
                figures.p99.as_secs_f64() * 1_000.0
            );
        }
    }
    println!("\nmemory after the load     {:>8.1} MiB", server.resident_mib()?);
    events::measure(&server, &token, duration).await?;
    server.stop().await?;
    events::measure_fanout().await
}

/// A tenant without limits, and its token.
async fn prepare(server: &Server, tenant: &str) -> Result<String, String> {
    let mut client = Client::connect(&server.address).await?;
    let tier = json!({"tier": "enterprise", "overrides": {"agents": null, "sockets": null, "job_items": null, "requests_per_minute": null}});
    client.send("PUT", &format!("/_local/tenants/{tenant}"), None, Some(&tier)).await?;
    let wanted = json!({"tenant": tenant, "ttl_s": TOKEN_TTL_S});
    let answer = client.send("POST", "/_local/token", None, Some(&wanted)).await?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    answer["token"].as_str().map(str::to_owned).ok_or_else(|| "no token".to_owned())
}

/// Creates the agents that are read, and gives their paths.
async fn agents(server: &Server, token: &str) -> Result<Vec<String>, String> {
    let mut client = Client::connect(&server.address).await?;
    let mut paths = Vec::new();
    for _ in 0..AGENTS {
        let answer = client.send("POST", "/v1/agents", Some(token), Some(&load::an_agent())).await?;
        let agent: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        paths.push(format!("/v1/agents/{}", agent["id"].as_str().unwrap_or_default()));
    }
    Ok(paths)
}
