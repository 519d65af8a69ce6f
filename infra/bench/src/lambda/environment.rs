//! An execution environment: a fresh process of a function's binary with the variables that Lambda
//! gives and no others, its Runtime API, and the services that it calls. However it ends, the process
//! does not outlive it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use local::issuer::{AUDIENCE, ISSUER};
use local::table::TABLE_NAME;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::runtime_api::{Call, RuntimeApi};
use crate::seed::Seeded;
use crate::services::Services;

/// How long a process may take to do anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a process's output is shown when it fails.
const OUTPUT_MAX_BYTES: u64 = 4_096;

#[derive(Debug)]
pub struct Environment {
    child: Child,
    started_at: Instant,
    api: RuntimeApi,
    pub services: Services,
    output: File,
}

/// How long a start took.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// From just before the process is made to its first request for an event, without the warm-up.
    pub cold_start: Duration,
    /// From the first connection to the table to the first request for an event; zero if the function
    /// does not turn to the table before.
    pub warm_up: Duration,
}

/// What a process holds of the memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// `VmRSS`.
    pub resident_bytes: u64,
    /// `VmHWM`: the most that it ever was.
    pub peak_bytes: u64,
}

impl Environment {
    /// Starts the process. It serves nothing before [`ready`](Self::ready).
    pub async fn start(function: &str, binary: &Path, seeded: &Seeded) -> Result<Self, String> {
        let api = RuntimeApi::serve(function).await?;
        let services = Services::serve(seeded.host.engine.clone()).await?;
        let output = tempfile::tempfile().map_err(|error| error.to_string())?;
        let written = || output.try_clone().map(Stdio::from).map_err(|error| error.to_string());
        let mut command = Command::new(binary);
        command
            .env_clear()
            .envs(given_by_lambda(function, api.address()))
            .envs(services.variables())
            .envs(configured(seeded))
            .stdin(Stdio::null())
            .stdout(written()?)
            .stderr(written()?)
            .kill_on_drop(true);
        let started_at = Instant::now();
        let child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
        Ok(Self { child, started_at, api, services, output })
    }

    /// Waits until it asks for its first event.
    pub async fn ready(&mut self) -> Result<Start, String> {
        match self.call().await? {
            Call::Next(ready_at) => {
                let connected_at = self.services.table_connected_at();
                let warm_up =
                    connected_at.map_or(Duration::ZERO, |at| ready_at.saturating_duration_since(at));
                let ready_after = ready_at.saturating_duration_since(self.started_at);
                Ok(Start { cold_start: ready_after.saturating_sub(warm_up), warm_up })
            }
            Call::InitError(reason) => Err(self.failed(&format!("the function can't start: {reason}"))),
            Call::Response { .. } | Call::Error { .. } => Err(self.failed("an answer to nothing")),
        }
    }

    /// The function's answer to an event, after which it asks for the next.
    pub async fn invoke(&mut self, event: String) -> Result<Value, String> {
        let sent = self.api.send(event)?;
        let answer = match self.call().await? {
            Call::Response { request_id, answer } if request_id == sent => answer,
            Call::Error { request_id, reason } if request_id == sent => {
                return Err(self.failed(&format!("the function failed: {reason}")));
            }
            Call::InitError(reason) => return Err(self.failed(&reason)),
            Call::Next(_) | Call::Response { .. } | Call::Error { .. } => {
                return Err(self.failed("no answer to this request"));
            }
        };
        match self.call().await? {
            Call::Next(_) => {}
            Call::Response { .. } | Call::Error { .. } | Call::InitError(_) => {
                return Err(self.failed("a second answer"));
            }
        }
        serde_json::from_slice(&answer).map_err(|_| self.failed("the answer is no JSON"))
    }

    pub fn memory(&self) -> Result<Memory, String> {
        let id = self.child.id().ok_or("the process has ended")?;
        let status =
            std::fs::read_to_string(format!("/proc/{id}/status")).map_err(|error| error.to_string())?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.trim_start_matches(':').trim().strip_suffix(" kB"));
            let kib: Option<u64> = kib.and_then(|kib| kib.parse().ok());
            kib.map(|kib| kib * 1_024).ok_or_else(|| format!("/proc says no {name}"))
        };
        Ok(Memory { resident_bytes: bytes("VmRSS")?, peak_bytes: bytes("VmHWM")? })
    }

    /// Ends the process and waits for its end, so that it takes no time from the next one.
    pub async fn stop(mut self) -> Result<(), String> {
        self.child.kill().await.map_err(|error| error.to_string())
    }

    async fn call(&mut self) -> Result<Call, String> {
        let failure = tokio::select! {
            // What it said before it ended comes first.
            biased;
            call = self.api.call() => return call,
            ended = self.child.wait() => match ended {
                Ok(status) => format!("the process ended: {status}"),
                Err(error) => error.to_string(),
            },
            () = tokio::time::sleep(PATIENCE) => format!("nothing happens for {PATIENCE:?}"),
        };
        Err(self.failed(&failure))
    }

    /// What went wrong, with the end of what the process has written.
    fn failed(&mut self, failure: &str) -> String {
        let length = self.output.seek(SeekFrom::End(0)).unwrap_or_default();
        let mut written = Vec::new();
        let _ = self.output.seek(SeekFrom::Start(length.saturating_sub(OUTPUT_MAX_BYTES)));
        let _ = self.output.read_to_end(&mut written);
        let written = String::from_utf8_lossy(&written);
        match written.trim() {
            "" => format!("{failure}; it wrote nothing"),
            written => format!("{failure}; it wrote:\n{written}"),
        }
    }
}

/// The variables that Lambda sets, with credentials of nobody's.
fn given_by_lambda(function: &str, runtime_api: &str) -> [(&'static str, String); 10] {
    [
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{function}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]bench".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "bench".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
        ("AWS_SESSION_TOKEN", "bench".to_owned()),
    ]
}

/// The variables that a deployment sets.
fn configured(seeded: &Seeded) -> [(&'static str, String); 6] {
    [
        ("TABLE_NAME", TABLE_NAME.to_owned()),
        ("CORS_ORIGINS", "https://console.example.com".to_owned()),
        ("JWT_ISSUER", ISSUER.to_owned()),
        ("JWT_AUDIENCE", AUDIENCE.to_owned()),
        ("JWKS", seeded.signers.key_set().to_string()),
        ("RUST_LOG", "warn".to_owned()),
    ]
}
