//! Which operations the cases have had a success of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::http::Answer;
use crate::openapi::Operation;

/// The methods and paths that were answered with success.
#[derive(Debug, Default)]
pub struct Coverage {
    succeeded: Mutex<BTreeSet<(String, String)>>,
    /// Operations that only a case leads to that is left out, each with the reason.
    excused: Mutex<BTreeMap<&'static str, &'static str>>,
}

impl Coverage {
    /// Takes note of an answer to a request for `path`.
    pub fn record(&self, path: &str, answer: &Answer) {
        if matches!(answer.status, 200..=299 | 304) {
            let path = path.split('?').next().unwrap_or_default().to_owned();
            let mut succeeded = self.succeeded.lock().unwrap_or_else(PoisonError::into_inner);
            succeeded.insert((answer.method.clone(), path));
        }
    }

    /// Takes note that the only case that leads to these operations is left out, and why.
    pub fn excuse(&self, operations: &[&'static str], reason: &'static str) {
        let mut excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        excused.extend(operations.iter().map(|operation| (*operation, reason)));
    }

    /// The operations that no case leads to that was run, each with the reason.
    pub fn excused(&self) -> BTreeMap<&'static str, &'static str> {
        self.excused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The operations without a success.
    pub fn missing<'a>(&self, operations: &'a [Operation]) -> Vec<&'a Operation> {
        let succeeded = self.succeeded.lock().unwrap_or_else(PoisonError::into_inner);
        let reached: Vec<_> =
            succeeded.iter().filter_map(|(method, path)| find(operations, method, path)).collect();
        operations.iter().filter(|operation| !reached.contains(operation)).collect()
    }
}

/// The operation that a request was for: of those that fit, the one with the fewest parameters.
fn find<'a>(operations: &'a [Operation], method: &str, path: &str) -> Option<&'a Operation> {
    let fitting = operations.iter().filter(|operation| operation.method == method);
    let fitting = fitting.filter_map(|operation| Some((operation.matches(path)?, operation)));
    fitting.max_by_key(|(literal, _)| *literal).map(|(_, operation)| operation)
}
