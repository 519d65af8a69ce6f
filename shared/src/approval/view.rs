//! The public JSON of approvals.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Approval, Decision, State};
use crate::agent::alias::AliasView;
use crate::agent::risk::Risk;
use crate::clock::rfc3339;

/// An approval.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Approval")]
pub struct ApprovalView<'a> {
    pub id: &'a str,
    /// 1 when it is asked for, 2 when it is decided.
    pub rev: u64,
    pub state: State,
    pub agent_id: &'a str,
    /// The alias when it was asked for.
    pub before: AliasView<'a>,
    /// The alias as it is to be.
    pub after: AliasView<'a>,
    /// Why it has to be accepted; none where the policy itself is loosened.
    pub risks: &'a [Risk],
    pub requested_at: String,
    pub requested_by: &'a str,
    pub expires_at: String,
    pub decided_at: Option<String>,
    pub decided_by: Option<&'a str>,
    /// What a rejection says.
    pub reason: Option<&'a str>,
}

impl<'a> ApprovalView<'a> {
    pub fn new(approval: &'a Approval, now: Timestamp) -> Self {
        let decided = approval.decided();
        Self {
            id: approval.id.as_str(),
            rev: approval.rev,
            state: approval.state(now),
            agent_id: approval.agent.as_str(),
            before: AliasView::new(&approval.alias, &approval.before),
            after: AliasView::new(&approval.alias, &approval.after),
            risks: &approval.risks,
            requested_at: rfc3339(approval.requested.at),
            requested_by: approval.requested.by.as_str(),
            expires_at: rfc3339(approval.expires_at),
            decided_at: decided.map(|stamp| rfc3339(stamp.at)),
            decided_by: decided.map(|stamp| stamp.by.as_str()),
            reason: match &approval.decision {
                Decision::Rejected { reason, .. } => reason.as_deref(),
                Decision::Pending | Decision::Accepted(_) => None,
            },
        }
    }
}
