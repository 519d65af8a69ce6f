//! The tier engine: what a draft needs held against a tenant's limits. It finds every violation at once and
//! offers, for each, a patch that mends it; applied in order, the patches make the content pass.

use json_patch::PatchOperation;
use serde_json::json;

use super::{LimitName, Limits, Needs, Tiers};
use crate::agent::Content;
use crate::agent::config::{Config, ModelRef};
use crate::json::{remove, replace};
use crate::violation::Violation;

const MODEL: &str = "model_not_admitted";
const INSTRUCTIONS: &str = "instructions_limit";

/// The lists of a configuration that a tier bounds.
struct List {
    limit: LimitName,
    pointer: &'static str,
    code: &'static str,
    amount: fn(&Needs) -> u64,
}

const LISTS: [List; 2] = [
    List {
        limit: LimitName::ToolsPerAgent,
        pointer: "/config/tools",
        code: "tools_limit",
        amount: |needs| needs.tools,
    },
    List {
        limit: LimitName::McpServersPerAgent,
        pointer: "/config/mcp_servers",
        code: "mcp_servers_limit",
        amount: |needs| needs.mcp_servers,
    },
];

/// Everything in `content` that exceeds `limits`, each with what mends it.
pub fn violations(tiers: &Tiers, limits: &Limits<'_>, content: &Content) -> Vec<Violation> {
    let config = &content.config;
    let mut found = exceeded(tiers, limits, &Needs::of(config));
    for violation in &mut found {
        violation.fix = fix(tiers, limits, config, violation);
    }
    found
}

/// Everything in a draft with these needs that exceeds `limits`.
pub fn exceeded(tiers: &Tiers, limits: &Limits<'_>, needs: &Needs) -> Vec<Violation> {
    let mut found = models(tiers, limits, needs);
    let bytes = needs.instructions;
    if let Some(limit) = limits.get(LimitName::InstructionsBytes).filter(|limit| bytes > *limit) {
        found.push(
            Violation::new("/config/instructions", INSTRUCTIONS, "the instructions have too many bytes")
                .exceeding(limit, bytes)
                .admitted_by(tiers.lowest_admitting(LimitName::InstructionsBytes, bytes)),
        );
    }
    for list in &LISTS {
        let amount = (list.amount)(needs);
        if let Some(limit) = limits.get(list.limit).filter(|limit| amount > *limit) {
            found.push(
                Violation::new(list.pointer, list.code, "the tier admits fewer items")
                    .exceeding(limit, amount)
                    .admitted_by(tiers.lowest_admitting(list.limit, amount)),
            );
        }
    }
    found
}

/// That one more of what `limit` counts would exceed the tenant's limit.
pub fn count_violation(tiers: &Tiers, limits: &Limits<'_>, limit: LimitName, used: u64) -> Violation {
    let wanted = used.saturating_add(1);
    let (code, detail) = match limit {
        LimitName::PrivateTemplates => {
            ("private_templates_limit", "the tenant has as many templates as its tier admits")
        }
        _ => ("agents_limit", "the tenant has as many agents as its tier admits"),
    };
    let violation = Violation::new("", code, detail).admitted_by(tiers.lowest_admitting(limit, wanted));
    match limits.get(limit) {
        Some(bound) => violation.exceeding(bound, used),
        None => violation,
    }
}

fn models(tiers: &Tiers, limits: &Limits<'_>, needs: &Needs) -> Vec<Violation> {
    let violation = |pointer: String, name: &str| {
        let ModelRef { provider, id } = ModelRef::stored(name);
        let is_refused = !tiers.admits_model(limits, &provider, &id);
        is_refused.then(|| {
            Violation::new(pointer, MODEL, "the tier does not admit this model")
                .exceeding(json!(limits.tier().name), json!(name))
                .admitted_by(tiers.lowest_admitting_model(&provider, &id))
        })
    };
    let mut found: Vec<Violation> = violation("/config/model".to_owned(), &needs.model).into_iter().collect();
    // Last first: each fix removes an item, and must not move those that later fixes name.
    for (index, name) in needs.fallbacks.iter().enumerate().rev() {
        found.extend(violation(format!("/config/model/fallbacks/{index}"), name));
    }
    found
}

/// What mends a violation of [`exceeded`].
fn fix(
    tiers: &Tiers,
    limits: &Limits<'_>,
    config: &Config,
    violation: &Violation,
) -> Option<Vec<PatchOperation>> {
    let limit = || violation.limit.as_ref()?.as_u64();
    match violation.code {
        MODEL if violation.pointer == "/config/model" => {
            let substitute = tiers.substitute(limits, &config.model.provider)?;
            let mut fix = replace("/config/model/provider", substitute.provider.as_str());
            fix.extend(replace("/config/model/id", substitute.id.as_str()));
            Some(fix)
        }
        MODEL => Some(remove(&violation.pointer)),
        INSTRUCTIONS => {
            let kept = usize::try_from(limit()?).unwrap_or(usize::MAX);
            let kept_bytes = config.instructions.floor_char_boundary(kept);
            Some(replace("/config/instructions", &config.instructions[..kept_bytes]))
        }
        _ => {
            let amount = violation.current.as_ref()?.as_u64()?;
            let surplus = (limit()?..amount).rev();
            Some(surplus.flat_map(|index| remove(&format!("{}/{index}", violation.pointer))).collect())
        }
    }
}
