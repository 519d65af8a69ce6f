//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Runs the Agent Management Service on this machine.
#[derive(Debug, Clone, Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version)]
pub struct Options {
    /// The port to listen on, on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 9400)]
    pub port: u16,
    /// The folder that keeps the table, the queues and the signing key across restarts.
    #[arg(long, value_name = "DIR", default_value = ".local")]
    pub data: PathBuf,
    /// Let scripts of this origin call the service, such as http://localhost:5173; may be repeated.
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    pub cors_origins: Vec<String>,
    /// Keep nothing: use a folder that is removed at the end.
    #[arg(long, conflicts_with = "data")]
    pub ephemeral: bool,
}
