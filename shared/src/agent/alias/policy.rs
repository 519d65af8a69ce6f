//! What an alias's policy says of a change: which risks it refuses, and which another user has to accept.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent::risk::{Risk, RiskClass};

/// The policy that is in force for an alias. What it does not name it admits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Changes with one of these risks are refused.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub refuse: BTreeSet<RiskClass>,
    /// Changes with one of these risks wait for another user of the tenant.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub approve: BTreeSet<RiskClass>,
}

/// What a policy says of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Admitted,
    /// For these risks.
    Refused(Vec<Risk>),
    /// For these risks; none where it is the policy itself that is loosened.
    NeedsApproval(Vec<Risk>),
}

impl Policy {
    pub fn is_empty(&self) -> bool {
        self.refuse.is_empty() && self.approve.is_empty()
    }

    /// Judges a change by its risks. What is refused need not be approved.
    pub fn judge(&self, risks: &[Risk], after: &Self) -> Verdict {
        let of = |classes: &BTreeSet<RiskClass>| -> Vec<Risk> {
            risks.iter().filter(|risk| classes.contains(&risk.class)).cloned().collect()
        };
        let (refused, asked) = (of(&self.refuse), of(&self.approve));
        if !refused.is_empty() {
            Verdict::Refused(refused)
        } else if !asked.is_empty() || self.is_opened_by(after) {
            Verdict::NeedsApproval(asked)
        } else {
            Verdict::Admitted
        }
    }

    /// Whether whoever may not pass alone would open the gate alone: by treating a class less strictly, or by
    /// leaving nobody to ask.
    fn is_opened_by(&self, after: &Self) -> bool {
        !self.approve.is_empty() && (self.is_loosened_by(after) || after.approve.is_empty())
    }

    /// Whether a class is treated less strictly by `after`.
    pub fn is_loosened_by(&self, after: &Self) -> bool {
        RiskClass::ALL.into_iter().any(|class| after.strictness(class) < self.strictness(class))
    }

    fn strictness(&self, class: RiskClass) -> u8 {
        if self.refuse.contains(&class) { 2 } else { u8::from(self.approve.contains(&class)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(refuse: &[RiskClass], approve: &[RiskClass]) -> Policy {
        Policy { refuse: refuse.iter().copied().collect(), approve: approve.iter().copied().collect() }
    }

    fn risk(class: RiskClass) -> Risk {
        Risk { class, pointer: "/config".to_owned() }
    }

    #[test]
    fn refusal_comes_before_approval_and_what_is_not_named_passes() {
        use RiskClass::{GuardrailRemoved, InstructionsChanged, ModelChanged};
        let policy = policy(&[GuardrailRemoved], &[ModelChanged]);
        let judge = |classes: &[RiskClass]| {
            policy.judge(&classes.iter().copied().map(risk).collect::<Vec<_>>(), &policy)
        };
        assert_eq!(judge(&[InstructionsChanged]), Verdict::Admitted);
        assert_eq!(
            judge(&[InstructionsChanged, ModelChanged]),
            Verdict::NeedsApproval(vec![risk(ModelChanged)])
        );
        assert_eq!(judge(&[GuardrailRemoved, ModelChanged]), Verdict::Refused(vec![risk(GuardrailRemoved)]));
    }

    #[test]
    fn who_needs_approval_needs_it_to_loosen_the_policy_too() {
        use RiskClass::{GuardrailRemoved, InstructionsChanged, ModelChanged};
        let strict = policy(&[GuardrailRemoved], &[ModelChanged]);
        for (after, expected) in [
            (Policy::default(), Verdict::NeedsApproval(Vec::new())),
            (policy(&[], &[ModelChanged, GuardrailRemoved]), Verdict::NeedsApproval(Vec::new())),
            // Stricter, and then nobody would be asked when it is loosened.
            (policy(&[GuardrailRemoved, ModelChanged], &[]), Verdict::NeedsApproval(Vec::new())),
            (policy(&[GuardrailRemoved], &[ModelChanged, InstructionsChanged]), Verdict::Admitted),
            (strict.clone(), Verdict::Admitted),
        ] {
            assert_eq!(strict.judge(&[], &after), expected, "{after:?}");
        }
        // Where there are no approvals there is nobody to ask.
        let refusing = policy(&[GuardrailRemoved], &[]);
        assert_eq!(refusing.judge(&[], &Policy::default()), Verdict::Admitted);
    }
}
