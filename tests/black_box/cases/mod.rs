//! The cases, each with its name and where it is left out.

mod authorization;
mod handshakes;
mod rest_agents;
mod rest_aliases;
mod rest_approvals;
mod rest_changes;
mod rest_dependents;
mod rest_documents;
mod rest_entitlements;
mod rest_errors;
mod rest_events;
mod rest_exports;
mod rest_imports;
mod rest_jobs;
mod rest_lifecycle;
mod rest_lists;
mod rest_quota;
mod rest_repeated;
mod rest_search;
mod rest_template_upgrades;
mod rest_templates;
mod rest_versions;
mod resuming;
mod sockets;
mod tenants;
mod tokens;

use tokio::runtime::Handle;

use crate::context::Context;
use crate::target::Kind;

/// Why a case that needs another tier than the default one is left out.
const NO_TIERS: &str = "a tenant's tier can't be set from outside";

type Run = dyn FnOnce(&Handle, &Context) + Send;

/// What a case does to the service, and what it expects.
pub struct Case {
    path: &'static str,
    run: Box<Run>,
    skips: Vec<(Kind, &'static str)>,
    /// Operations that no other case leads to.
    reached_alone: &'static [&'static str],
}

/// A case from the function of that name.
macro_rules! case {
    ($function:ident) => {
        crate::cases::Case::new(concat!(module_path!(), "::", stringify!($function)), $function)
    };
}
use case;

/// Every case.
pub fn all() -> Vec<Case> {
    [
        rest_agents::cases(),
        rest_changes::cases(),
        rest_lists::cases(),
        rest_lifecycle::cases(),
        rest_repeated::cases(),
        rest_quota::cases(),
        rest_versions::cases(),
        rest_aliases::cases(),
        rest_approvals::cases(),
        rest_search::cases(),
        rest_dependents::cases(),
        rest_templates::cases(),
        rest_template_upgrades::cases(),
        rest_jobs::cases(),
        rest_imports::cases(),
        rest_exports::cases(),
        rest_entitlements::cases(),
        rest_documents::cases(),
        rest_errors::cases(),
        rest_events::cases(),
        authorization::cases(),
        tokens::cases(),
        tenants::cases(),
        handshakes::cases(),
        sockets::cases(),
        resuming::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Case {
    fn new(path: &'static str, case: impl AsyncFn(&Context) + Send + 'static) -> Self {
        let run = move |runtime: &Handle, context: &Context| runtime.block_on(Box::pin(case(context)));
        Self { path, run: Box::new(run), skips: Vec::new(), reached_alone: &[] }
    }

    /// Leaves the case out on this kind of target.
    fn not_on(mut self, kind: Kind, reason: &'static str) -> Self {
        self.skips.push((kind, reason));
        self
    }

    /// Leaves the case out where a tenant's tier can't be set.
    fn on_another_tier(self) -> Self {
        self.not_on(Kind::StandIn, NO_TIERS).not_on(Kind::Aws, NO_TIERS)
    }

    /// Says that no other case can have a success of these operations, each a method and a path. Where the
    /// case is left out, so are they.
    fn reaching_alone(mut self, operations: &'static [&'static str]) -> Self {
        self.reached_alone = operations;
        self
    }

    /// The operations that no other case leads to.
    pub fn reached_alone(&self) -> &'static [&'static str] {
        self.reached_alone
    }

    /// The module and the function.
    pub fn name(&self) -> &'static str {
        self.path.trim_start_matches(concat!(module_path!(), "::"))
    }

    pub fn reason_to_skip(&self, kind: Kind) -> Option<&'static str> {
        self.skips.iter().find(|(skipped, _)| *skipped == kind).map(|(_, reason)| *reason)
    }

    pub fn run(self, runtime: &Handle, context: &Context) {
        (self.run)(runtime, context);
    }
}
