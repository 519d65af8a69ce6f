//! The operations that the service's own OpenAPI document lists.

use std::fmt;

use serde_json::Value;

/// An id of the right form that no agent has.
pub const UNKNOWN_ID: &str = "agt_00000000000000000000000000";
/// The same for approvals.
pub const UNKNOWN_APPROVAL: &str = "apv_00000000000000000000000000";
const UNKNOWN_TEMPLATE: &str = "tpl_00000000000000000000000000";
const UNKNOWN_JOB: &str = "job_00000000000000000000000000";

/// A method and a path with parameters in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub method: String,
    pub path: String,
    /// The scope that it needs; none where anyone may call it.
    pub scope: Option<String>,
}

/// Every operation of the document.
///
/// # Panics
/// If the document is no OpenAPI document, or an operation that needs a token names no scope.
pub fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("paths");
    let mut found = Vec::new();
    for (path, item) in paths {
        for (method, described) in item.as_object().expect("an item") {
            let is_public = described["security"].as_array().is_some_and(Vec::is_empty);
            let scope = (!is_public).then(|| {
                let description = described["description"].as_str().unwrap_or_default();
                let scope = description.split('`').nth(1);
                scope.unwrap_or_else(|| panic!("{method} {path} names no scope")).to_owned()
            });
            found.push(Operation { method: method.to_uppercase(), path: path.clone(), scope });
        }
    }
    found
}

impl Operation {
    /// The path with `id` for an agent, and something of the right form for the other parameters.
    pub fn at(&self, id: &str) -> String {
        let path = self.path.replace("{id}", id).replace("{code}", "not_found");
        let path = path.replace("{key}", "no-such-key").replace("{tool_id}", "search");
        let path = path.replace("{version}", "1").replace("{alias}", "live");
        path.replace("{approval_id}", UNKNOWN_APPROVAL)
            .replace("{template_id}", UNKNOWN_TEMPLATE)
            .replace("{job_id}", UNKNOWN_JOB)
    }

    /// How many segments are as in `path`; none if another segment contradicts.
    pub fn matches(&self, path: &str) -> Option<usize> {
        let own: Vec<&str> = self.path.split('/').collect();
        let given: Vec<&str> = path.split('/').collect();
        let fits = |(own, given): (&&str, &&str)| own == given || own.starts_with('{');
        let is_this = own.len() == given.len() && own.iter().zip(&given).all(fits);
        is_this.then(|| own.iter().zip(&given).filter(|(own, given)| own == given).count())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
