//! What is wrong with a document, said so that a person or a program can mend it: where, which
//! rule, the bound, and a JSON Patch that mends it where one exists.

use std::collections::HashSet;

use json_patch::PatchOperation;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// The most unknown members that one answer lists.
const UNKNOWN_MAX: usize = 50;

/// One broken rule. Serialised as a member of a problem's `errors`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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
    #[schemars(with = "Option<Vec<PatchStep>>")]
    pub fix: Option<Vec<PatchOperation>>,
}

/// An operation of a JSON Patch (RFC 6902).
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "it describes the crate's type, which has no schema")]
pub struct PatchStep {
    op: PatchOp,
    path: String,
    from: Option<String>,
    value: Option<Value>,
}

#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes the crate's type, which has no schema")]
enum PatchOp {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

impl Violation {
    /// Members that the document must not have: as many as one answer lists.
    pub fn unknown_members<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<Self> {
        names.into_iter().take(UNKNOWN_MAX).map(|name| Self::unknown_member(name)).collect()
    }

    fn unknown_member(name: &str) -> Self {
        let pointer = format!("/{}", pointer_segment(name));
        let fix = crate::json::remove(&pointer);
        Self::new(pointer, "unknown_field", "no such member, or one that only the service writes")
            .mended_by(fix)
    }

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

    /// The same of a document that stands at `parent` in another, where its fix does not apply.
    pub fn within(self, parent: &str) -> Self {
        Self { pointer: format!("{parent}{}", self.pointer), fix: None, ..self }
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

/// Puts violations in the order in which their fixes apply: those that remove nothing first, then
/// removals, of a list's last items first. What an earlier removal takes away, a later fix leaves.
pub fn in_order_of_fixes(mut violations: Vec<Violation>) -> Vec<Violation> {
    violations.sort_by_cached_key(|violation| {
        let removed = violation.fix.iter().flatten().filter_map(removed_item);
        removed.max_by_key(|(_, index)| *index).map(|(list, index)| (list, std::cmp::Reverse(index)))
    });
    let mut removed: HashSet<String> = HashSet::new();
    for fix in violations.iter_mut().filter_map(|violation| violation.fix.as_mut()) {
        fix.retain(|operation| {
            let path = operation.path().to_string();
            let is_gone = itself_and_parents(&path).any(|place| removed.contains(place));
            if !is_gone && matches!(operation, PatchOperation::Remove(_)) {
                removed.insert(path);
            }
            !is_gone
        });
    }
    violations
}

/// A pointer, and those of everything that it is in, but for the whole document.
fn itself_and_parents(pointer: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(pointer), |place| place.rsplit_once('/').map(|(parent, _)| parent))
        .take_while(|place| !place.is_empty())
}

/// The list and the index of an item that the operation removes; a member of an object counts as
/// index 0.
fn removed_item(operation: &PatchOperation) -> Option<(String, usize)> {
    let PatchOperation::Remove(remove) = operation else {
        return None;
    };
    let path = remove.path.to_string();
    let (list, item) = path.rsplit_once('/')?;
    Some((list.to_owned(), item.parse().unwrap_or(0)))
}

/// One segment of a JSON Pointer, escaped as RFC 6901 §3 says.
pub fn pointer_segment(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}
