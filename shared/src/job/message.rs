//! What the job queue carries. A message says what is to be done and nothing of how far it is: that is in the
//! table, so a message may come again, late, and in any order.

use serde::{Deserialize, Serialize};

use crate::id::{JobId, TenantId};

/// A step of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub tenant: TenantId,
    pub job: JobId,
    pub step: Step,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Find its items.
    Plan,
    /// Run a chunk of the plan with this name.
    Run { plan: String, chunk: u32 },
}

impl Message {
    pub fn new(tenant: &TenantId, job: &JobId, step: Step) -> Self {
        Self { tenant: tenant.clone(), job: job.clone(), step }
    }
}
