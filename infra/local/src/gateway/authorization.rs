//! The authorizer's cache: API Gateway keeps an answer for a minute under the identity source,
//! here the Authorization header, and applies it to every route.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_management::id::TenantId;
use jiff::Timestamp;
use serde_json::Value;

/// How long an answer is kept.
const AGE_MAX: Duration = Duration::from_mins(1);
/// The most answers that are kept; above it all are dropped, which costs a call each.
const ANSWERS_MAX: usize = 10_000;

/// The context that the authorizer gave a caller.
pub type CallerContext = Arc<Value>;

#[derive(Debug, Default)]
pub struct AuthorizerCache {
    answers: Mutex<HashMap<String, (Timestamp, CallerContext)>>,
}

impl AuthorizerCache {
    pub fn get(&self, identity: &str, now: Timestamp) -> Option<CallerContext> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept_at, context) = answers.get(identity)?;
        (now.duration_since(*kept_at).unsigned_abs() < AGE_MAX).then(|| Arc::clone(context))
    }

    pub fn keep(&self, identity: &str, context: Value, now: Timestamp) -> CallerContext {
        let context = Arc::new(context);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS_MAX {
            answers.clear();
        }
        answers.insert(identity.to_owned(), (now, Arc::clone(&context)));
        context
    }

    pub fn forget(&self, tenant: &TenantId) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (_, context)| context["tenant"] != tenant.as_str());
    }
}
