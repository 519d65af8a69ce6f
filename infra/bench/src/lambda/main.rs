//! `cargo bench-lambda`: what the functions cost on Lambda, as far as one machine can tell. It runs
//! the binaries that cargo lambda built, each as Lambda would, with a Runtime API, a table and other
//! services in this process, and holds size, start and memory against their budgets.

mod environment;
mod loopback;
mod measure;
mod package;
mod replay;
mod report;
mod runtime_api;
mod seed;
mod services;
mod signers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::measure::Amounts;
use crate::replay::Prepare;

/// Measures the functions that `.ci/zips` built. It fails when
/// one is over a budget.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-lambda", bin_name = "cargo bench-lambda")]
struct Options {
    /// The folder that cargo lambda built into: it has a folder for each function.
    #[arg(long, value_name = "DIR", default_value = "target/lambda")]
    dir: PathBuf,
    /// How many starts of each function are measured.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    starts: u16,
    /// How many requests each function answers before its memory is measured.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    /// Measure this function alone.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
}

/// A function that can be measured.
struct Measurable {
    name: String,
    package: PathBuf,
    prepare: Prepare,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = tokio::select! {
        outcome = run(Options::parse()) => outcome,
        // What has been started ends with what is dropped here.
        ended = told_to_end() => ended.and(Err("told to end".to_owned())),
    };
    match outcome {
        Ok(over) if over.is_empty() => ExitCode::SUCCESS,
        Ok(over) => {
            eprintln!("over budget: {}", over.join(", "));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Waits for SIGINT or SIGTERM.
async fn told_to_end() -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(|error| error.to_string()),
        _ = terminate.recv() => Ok(()),
    }
}

/// The names of the functions that are over a budget.
async fn run(options: Options) -> Result<Vec<String>, String> {
    let requests = usize::try_from(options.requests).map_err(|error| error.to_string())?;
    let amounts = Amounts { starts: options.starts.into(), requests };
    let mut figures = Vec::new();
    for Measurable { name, package, prepare } in measurable(&options)? {
        let measured = measure::measure(&name, &package, prepare, amounts).await;
        let measured = measured.map_err(|error| format!("{name}: {error}"))?;
        println!("{}", report::line(&measured));
        figures.push(measured);
    }
    println!("\n{}", report::table(&figures, amounts));
    let over = figures.into_iter().filter(|figures| !figures.over().is_empty());
    Ok(over.map(|figures| figures.function).collect())
}

/// What is to be measured. Before anything is, every function must have a package and events.
fn measurable(options: &Options) -> Result<Vec<Measurable>, String> {
    let mut names = functions()?;
    if let Some(only) = &options.function {
        if !names.contains(only) {
            return Err(format!("there is no function {only}, but {}", names.join(", ")));
        }
        names.retain(|name| name == only);
    }
    let measurable = names.into_iter().map(|name| {
        let package = package::path(&options.dir, &name);
        if !package.is_file() {
            let build = ".ci/zips";
            return Err(format!("{name}: there is no {}; `{build}` makes it", package.display()));
        }
        let prepare = replay::of(&name).ok_or_else(|| format!("{name}: there are no events to replay"))?;
        Ok(Measurable { name, package, prepare })
    });
    measurable.collect()
}

/// The folders below `functions/`, in order.
fn functions() -> Result<Vec<String>, String> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions"));
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
