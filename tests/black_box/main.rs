//! The service as a black box, wherever it runs: it knows URLs and where tokens come from, and nothing
//! else. With nothing set it starts a local host of its own. `BLACK_BOX_URL` names a local host that
//! runs. `BLACK_BOX_OUTPUTS` is a file with the outputs of a deployed stack, and `BLACK_BOX_TOKEN_URL`
//! the token issuer that the stack trusts. At the end it tells what was left out, and fails if a
//! documented operation was never answered with success. Only an operation that a case that was left out
//! says to reach alone may be.

mod cases;
mod client;
mod context;
mod coverage;
mod forgery;
mod http;
mod openapi;
mod socket;
mod target;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Completion, Conclusion, Trial};
use tokio::runtime::{Handle, Runtime};

use cases::Case;
use context::Context;
use target::Target;

/// A case that was left out, and why.
type Skip = (&'static str, &'static str);
type Skips = Arc<Mutex<Vec<Skip>>>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Runtime::new().expect("a runtime");
    let found = runtime.block_on(Target::from_env());
    let (target, own_host) = match found {
        Ok(found) => found,
        Err(reason) => {
            eprintln!("error: {reason}");
            return ExitCode::FAILURE;
        }
    };
    let context = Context::new(target);
    let skips = Skips::default();
    let trials = cases::all().into_iter().map(|case| trial(case, runtime.handle(), &context, &skips));
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    let is_good = arguments.list || runtime.block_on(conclude(&context, &conclusion, &skips));
    if let Some(host) = own_host {
        runtime.block_on(host.stop());
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn trial(case: Case, runtime: &Handle, context: &Context, skips: &Skips) -> Trial {
    let (runtime, context, skips) = (runtime.clone(), context.clone(), Arc::clone(skips));
    Trial::ignorable_test(case.name(), move || {
        if let Some(reason) = case.reason_to_skip(context.kind()) {
            context.coverage().excuse(case.reached_alone(), reason);
            let mut skips = skips.lock().unwrap_or_else(PoisonError::into_inner);
            skips.push((case.name(), reason));
            return Ok(Completion::ignored_with(reason));
        }
        case.run(&runtime, &context);
        Ok(Completion::Completed)
    })
}

/// Says what was left out and what was never reached. Whether all is well.
async fn conclude(context: &Context, conclusion: &Conclusion, skips: &Skips) -> bool {
    let mut skips = skips.lock().unwrap_or_else(PoisonError::into_inner).clone();
    skips.sort_unstable();
    for (case, reason) in &skips {
        println!("skipped: {case}: {reason}");
    }
    let skips_max = context.kind().skips_max();
    let are_few = skips.len() <= skips_max;
    let verdict = if are_few { "" } else { ", which are too many" };
    println!("skipped: {} (at most {skips_max} here){verdict}", skips.len());
    let is_covered = if conclusion.num_filtered_out > 0 {
        println!("coverage: not looked at, because only some cases were run");
        true
    } else {
        is_covered(context).await
    };
    println!("target: {context}");
    !conclusion.has_failed() && are_few && is_covered
}

async fn is_covered(context: &Context) -> bool {
    let operations = openapi::operations(&context.openapi().await);
    let missing = context.coverage().missing(&operations);
    let mut excused = context.coverage().excused();
    let mut is_good = true;
    for operation in &missing {
        if let Some(reason) = excused.remove(operation.to_string().as_str()) {
            println!("coverage: left out is a success of {operation}: {reason}");
        } else {
            println!("coverage: no case had a success of {operation}");
            is_good = false;
        }
    }
    // An excuse that nobody needs would hide something one day.
    for operation in excused.keys() {
        println!("coverage: {operation} is no operation, or other cases had a success of it, too");
        is_good = false;
    }
    println!("coverage: {} of {} operations", operations.len() - missing.len(), operations.len());
    is_good
}
