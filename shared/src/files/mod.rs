//! Files beside the table: what clients upload to be imported, what jobs write for them, and what a job keeps
//! that is too large for the table. They are objects of one S3 bucket; a tenant's are below its name.

pub mod store;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::id::{JobId, TenantId, UploadId};

/// What is posted as `multipart/form-data`: these fields, and then the file as `file`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct UploadForm {
    pub url: String,
    pub fields: BTreeMap<String, String>,
}

/// What a client uploads: it is there for a day.
pub fn upload_key(tenant: &TenantId, upload: &UploadId) -> String {
    format!("uploads/{tenant}/{upload}")
}

/// Something that a job keeps or has made, by a name without a slash at its ends. It is there as long as the job.
pub fn job_key(tenant: &TenantId, job: &JobId, name: &str) -> String {
    format!("jobs/{tenant}/{job}/{name}")
}
