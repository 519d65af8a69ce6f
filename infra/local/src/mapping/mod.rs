//! Event source mappings: what reads a stream or a queue and invokes a function with batches of it,
//! as Lambda's documentation has it.

pub mod queue;
pub mod stream;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::Value;

type Answer = Pin<Box<dyn Future<Output = Result<Value, lambda_runtime::Error>> + Send>>;

/// A function as a mapping sees it: an event in, an answer or an error out.
#[derive(Clone)]
pub struct Function(Arc<dyn Fn(Value) -> Answer + Send + Sync>);

impl Function {
    pub fn new<F>(invoke: impl Fn(Value) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Value, lambda_runtime::Error>> + Send + 'static,
    {
        Self(Arc::new(move |event| Box::pin(invoke(event))))
    }

    /// # Errors
    /// The function's; a panic is one, too.
    pub async fn invoke(&self, event: Value) -> Result<Value, lambda_runtime::Error> {
        match AssertUnwindSafe((self.0)(event)).catch_unwind().await {
            Ok(answer) => answer,
            Err(_) => Err("the function panicked".into()),
        }
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function").finish_non_exhaustive()
    }
}

/// What an answer says of its batch: nothing, or which items failed. An answer that names an item that
/// was not sent, or has another shape, fails the batch.
fn failures(answer: &Value) -> Option<Vec<String>> {
    match answer.get("batchItemFailures") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(failures) => failures
            .as_array()?
            .iter()
            .map(|failure| {
                let name = failure.get("itemIdentifier").and_then(Value::as_str)?;
                (!name.is_empty()).then(|| name.to_owned())
            })
            .collect(),
    }
}

/// What one turn of a mapping did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There was nothing to do.
    Idle,
    /// It went on.
    Progress,
    /// The function failed and is to be tried again after a while.
    Retry,
}
