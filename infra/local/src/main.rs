//! `cargo local`.

use clap::Parser;
use local::cli::Options;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    match local::server::run(Options::parse()).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            std::process::ExitCode::FAILURE
        }
    }
}
