//! The host as a process of its own: this very program with `--serve`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::Client;

const START_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: String,
    pub first_answer_after: Duration,
    // Kept open, so that the host's banner always has a reader, and until the end.
    _banner: BufReader<ChildStdout>,
    _data: TempDir,
}

impl Server {
    /// Starts the host in an empty folder and waits for its first answer.
    pub async fn start() -> Result<Self, String> {
        let data = tempfile::tempdir().map_err(|error| error.to_string())?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let started_at = Instant::now();
        let mut child = Command::new(program)
            .arg("--serve")
            .arg(data.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut banner = BufReader::new(child.stdout.take().ok_or("no output")?);
        let address = tokio::time::timeout(START_MAX, address_in(&mut banner))
            .await
            .map_err(|_| "the host does not start".to_owned())??;
        Client::connect(&address).await?.send("GET", "/health/ready", None, None).await?;
        let first_answer_after = started_at.elapsed();
        Ok(Self { child, address, first_answer_after, _banner: banner, _data: data })
    }

    /// The host's resident memory in MiB.
    pub fn resident_mib(&self) -> Result<f64, String> {
        let id = self.child.id().ok_or("the host has ended")?;
        let status =
            std::fs::read_to_string(format!("/proc/{id}/status")).map_err(|error| error.to_string())?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().map_err(|_| "VmRSS is no number")?;
        Ok(kib / 1_024.0)
    }

    pub async fn stop(mut self) -> Result<(), String> {
        self.child.kill().await.map_err(|error| error.to_string())
    }
}

/// The address in the banner's line `REST http://ADDRESS/v1`.
async fn address_in(banner: &mut BufReader<ChildStdout>) -> Result<String, String> {
    let mut line = String::new();
    loop {
        line.clear();
        let read = banner.read_line(&mut line).await.map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("the host ended at its start".to_owned());
        }
        if let Some(rest) = line.trim().strip_prefix("REST").map(str::trim) {
            let address = rest.trim_start_matches("http://").trim_end_matches("/v1");
            return Ok(address.to_owned());
        }
    }
}
