//! What is wrong with a document, said so that a person or a program can mend it: where, which
//! rule, the bound, and a JSON Patch that mends it where one exists.

use json_patch::PatchOperation;
use serde::Serialize;
use serde_json::Value;

/// One broken rule. Serialised as a member of a problem's `errors`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Violation {
    /// A JSON Pointer (RFC 6901) into the document that was sent; empty for the whole document.
    pub pointer: String,
    /// The rule's stable name.
    pub code: &'static str,
    pub detail: String,
    /// The bound that was exceeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Value>,
    /// What stands in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<Value>,
    /// The lowest tier whose bound admits `current`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_tier: Option<String>,
    /// A JSON Patch (RFC 6902) that mends this violation. The fixes of all the violations of one
    /// answer apply in the order in which they are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Vec<PatchOperation>>,
}

impl Violation {
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            code,
            detail: detail.into(),
            limit: None,
            current: None,
            min_tier: None,
            fix: None,
        }
    }

    pub fn exceeding(mut self, limit: impl Into<Value>, current: impl Into<Value>) -> Self {
        self.limit = Some(limit.into());
        self.current = Some(current.into());
        self
    }

    pub fn admitted_by(mut self, min_tier: Option<&str>) -> Self {
        self.min_tier = min_tier.map(str::to_owned);
        self
    }

    pub fn mended_by(mut self, fix: Vec<PatchOperation>) -> Self {
        self.fix = Some(fix);
        self
    }
}

/// One segment of a JSON Pointer, escaped as RFC 6901 §3 says.
pub fn pointer_segment(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}
