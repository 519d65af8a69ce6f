//! The table: how long something took, how much of it that is in a second, and what that is beside one agent at a
//! time. The times are those of a machine and what else it does; the ratios can be held against another run's.

use std::time::Duration;

/// What a rate is divided by: that of asking for one agent after the other over one connection, in the same run.
#[derive(Debug, Clone, Copy)]
pub enum Base {
    /// Reading: `GET` of an agent.
    Get,
    /// Writing: `PATCH` of an agent.
    Change,
}

/// The rates of the bases, in agents a second.
#[derive(Debug)]
pub struct Bases {
    pub get: f64,
    pub change: f64,
}

/// What was measured.
#[derive(Debug)]
pub struct Measured<'a> {
    pub name: &'a str,
    /// How many agents the tenant has.
    pub agents: usize,
    /// How many of them, or how many searches, took that long.
    pub count: usize,
    pub took: Duration,
    pub base: Base,
}

/// What the columns are.
pub fn print_heading() {
    println!(
        "{:<42} {:>7} {:>9} {:>10} {:>8} {:<6} {:>8} {:>8}",
        "operation", "agents", "seconds", "per second", "ratio", "to", "p50 ms", "p99 ms"
    );
}

impl Bases {
    /// Prints a line with the ratio to its base.
    pub fn print(&self, measured: &Measured<'_>) {
        println!("{}", self.line(measured).trim_end());
    }

    /// The same of something that was done again and again, with the latencies, sorted.
    pub fn print_with(&self, measured: &Measured<'_>, latencies: &[Duration]) {
        let at = |hundredths: usize| {
            let latency = latencies.get(latencies.len() * hundredths / 100).copied().unwrap_or_default();
            latency.as_secs_f64() * 1_000.0
        };
        println!("{} {:>8.2} {:>8.2}", self.line(measured), at(50), at(99));
    }

    fn line(&self, measured: &Measured<'_>) -> String {
        let Measured { name, agents, count, took, base } = *measured;
        let per_second = rate(count, took);
        let (base, to) = match base {
            Base::Get => (self.get, "get"),
            Base::Change => (self.change, "change"),
        };
        let (seconds, ratio) = (took.as_secs_f64(), per_second / base);
        format!("{name:<42} {agents:>7} {seconds:>9.2} {per_second:>10.0} {ratio:>8.2} {to:<6}")
    }
}

/// How many in a second.
pub fn rate(count: usize, took: Duration) -> f64 {
    float(count) / took.as_secs_f64()
}

/// Bytes in MiB.
pub fn mib(bytes: usize) -> f64 {
    float(bytes) / 1_048_576.0
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}
