//! What is measured of one function: the size of its package, how it starts, and the memory that it
//! holds when it has answered many requests.

use std::path::Path;
use std::time::Duration;

use crate::environment::{Environment, Memory, Start};
use crate::package::Package;
use crate::replay::Prepare;
use crate::report::Figures;
use crate::seed::Seeded;

/// Starts that are not measured: after them the binary and what it reads are in the page cache.
const UNMEASURED_STARTS: usize = 5;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Amounts {
    pub starts: usize,
    pub requests: usize,
}

/// A function's figures.
///
/// # Errors
/// Whatever goes wrong with it: the figures of a function that fails mean nothing.
pub async fn measure(
    function: &str,
    package: &Path,
    prepare: Prepare,
    amounts: Amounts,
) -> Result<Figures, String> {
    let package = Package::unpack(package)?;
    let seeded = Seeded::new().await?;
    let starts = starts(function, &package, &seeded, amounts.starts).await?;
    let memory = memory_after(function, &package, &seeded, prepare, amounts.requests).await?;
    let sorted = |pick: fn(&Start) -> Duration| {
        let mut durations: Vec<Duration> = starts.iter().map(pick).collect();
        durations.sort_unstable();
        durations
    };
    let cold_starts = sorted(|start| start.cold_start);
    Ok(Figures {
        function: function.to_owned(),
        zip_bytes: package.zip_bytes,
        binary_bytes: package.binary_bytes,
        cold_start_p50: percentile(&cold_starts, 50),
        cold_start_p99: percentile(&cold_starts, 99),
        warm_up_p50: percentile(&sorted(|start| start.warm_up), 50),
        memory,
    })
}

async fn starts(
    function: &str,
    package: &Package,
    seeded: &Seeded,
    count: usize,
) -> Result<Vec<Start>, String> {
    let mut starts = Vec::new();
    for turn in 0..UNMEASURED_STARTS + count {
        let mut environment = Environment::start(function, &package.binary(), seeded).await?;
        let start = environment.ready().await?;
        environment.stop().await?;
        if turn >= UNMEASURED_STARTS {
            starts.push(start);
        }
    }
    Ok(starts)
}

async fn memory_after(
    function: &str,
    package: &Package,
    seeded: &Seeded,
    prepare: Prepare,
    requests: usize,
) -> Result<Memory, String> {
    let mut replay = prepare(seeded)?;
    let mut environment = Environment::start(function, &package.binary(), seeded).await?;
    environment.ready().await?;
    for request in 1..=requests {
        let event = replay.next()?;
        let failed = |error: String| format!("request {request}, {}: {error}", event.name);
        let answer = environment.invoke(event.json).await.map_err(failed)?;
        replay.heard(&answer).map_err(failed)?;
    }
    replay.check(environment.services.received()?)?;
    let memory = environment.memory()?;
    environment.stop().await?;
    Ok(memory)
}

/// Of a sorted list; zero of an empty one.
fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    sorted.get(sorted.len() * hundredths / 100).copied().unwrap_or_default()
}
