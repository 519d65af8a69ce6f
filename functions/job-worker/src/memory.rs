//! What an environment remembers: what jobs are to do, which never changes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use agent_management::id::{JobId, TenantId};
use agent_management::job::Spec;

use crate::Of;

/// How many jobs are remembered.
const JOBS_MAX: usize = 16;

type Known = ((TenantId, JobId), Arc<Spec>);

#[derive(Debug, Default)]
pub struct Memory {
    /// The newest last.
    specs: Mutex<VecDeque<Known>>,
}

impl Memory {
    pub fn spec(&self, of: Of<'_>) -> Option<Arc<Spec>> {
        let specs = self.specs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = specs.iter().find(|((tenant, id), _)| tenant == of.tenant && id == of.id);
        known.map(|(_, spec)| Arc::clone(spec))
    }

    pub fn keep_spec(&self, of: Of<'_>, spec: Arc<Spec>) {
        let mut specs = self.specs.lock().unwrap_or_else(PoisonError::into_inner);
        if specs.len() >= JOBS_MAX {
            specs.pop_front();
        }
        specs.push_back(((of.tenant.clone(), of.id.clone()), spec));
    }
}
