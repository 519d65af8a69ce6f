//! The tier engine: an agent's content held against a tenant's limits. It finds every violation at
//! once and offers, for each, a patch that mends it; applied in order, the patches make the content
//! pass.

use serde_json::json;

use super::{LimitName, Limits, Tiers};
use crate::agent::Content;
use crate::agent::config::Config;
use crate::json::{remove, replace};
use crate::violation::Violation;

/// Everything in `content` that exceeds `limits`.
pub fn violations(tiers: &Tiers, limits: &Limits<'_>, content: &Content) -> Vec<Violation> {
    let config = &content.config;
    let mut found = models(tiers, limits, config);
    found.extend(instructions(tiers, limits, config));
    found.extend(count(
        tiers,
        limits,
        LimitName::ToolsPerAgent,
        "/config/tools",
        "tools_limit",
        config.tools.len(),
    ));
    found.extend(count(
        tiers,
        limits,
        LimitName::McpServersPerAgent,
        "/config/mcp_servers",
        "mcp_servers_limit",
        config.mcp_servers.len(),
    ));
    found
}

/// That one more agent would exceed the tenant's limit.
pub fn agents_violation(tiers: &Tiers, limits: &Limits<'_>, used: u64) -> Violation {
    let wanted = used.saturating_add(1);
    let min_tier = tiers.lowest_admitting(LimitName::Agents, wanted);
    let violation = Violation::new("", "agents_limit", "the tenant has as many agents as its tier admits")
        .admitted_by(min_tier);
    match limits.get(LimitName::Agents) {
        Some(limit) => violation.exceeding(limit, used),
        None => violation,
    }
}

fn models(tiers: &Tiers, limits: &Limits<'_>, config: &Config) -> Vec<Violation> {
    let refused = |provider: &str, id: &str| !tiers.admits_model(limits, provider, id);
    let violation = |pointer: String, provider: &str, id: &str| {
        Violation::new(pointer, "model_not_admitted", "the tier does not admit this model")
            .exceeding(json!(limits.tier().name), json!(format!("{provider}/{id}")))
            .admitted_by(tiers.lowest_admitting_model(provider, id))
    };
    let mut found = Vec::new();
    let model = &config.model;
    if refused(&model.provider, &model.id) {
        let mut refusal = violation("/config/model".to_owned(), &model.provider, &model.id);
        if let Some(substitute) = tiers.substitute(limits, &model.provider) {
            let mut fix = replace("/config/model/provider", substitute.provider.as_str());
            fix.extend(replace("/config/model/id", substitute.id.as_str()));
            refusal = refusal.mended_by(fix);
        }
        found.push(refusal);
    }
    // Last first: each fix removes an item, and must not move those that later fixes name.
    for (index, fallback) in model.fallbacks.iter().enumerate().rev() {
        if refused(&fallback.provider, &fallback.id) {
            let pointer = format!("/config/model/fallbacks/{index}");
            let fix = remove(&pointer);
            found.push(violation(pointer, &fallback.provider, &fallback.id).mended_by(fix));
        }
    }
    found
}

fn instructions(tiers: &Tiers, limits: &Limits<'_>, config: &Config) -> Option<Violation> {
    let bytes = config.instructions.len() as u64;
    let limit = limits.get(LimitName::InstructionsBytes).filter(|limit| bytes > *limit)?;
    let kept_bytes = config.instructions.floor_char_boundary(usize::try_from(limit).unwrap_or(usize::MAX));
    let fix = replace("/config/instructions", &config.instructions[..kept_bytes]);
    Some(
        Violation::new("/config/instructions", "instructions_limit", "the instructions have too many bytes")
            .exceeding(limit, bytes)
            .admitted_by(tiers.lowest_admitting(LimitName::InstructionsBytes, bytes))
            .mended_by(fix),
    )
}

fn count(
    tiers: &Tiers,
    limits: &Limits<'_>,
    name: LimitName,
    pointer: &'static str,
    code: &'static str,
    length: usize,
) -> Option<Violation> {
    let amount = length as u64;
    let limit = limits.get(name).filter(|limit| amount > *limit)?;
    let fix = (limit..amount).rev().flat_map(|index| remove(&format!("{pointer}/{index}"))).collect();
    Some(
        Violation::new(pointer, code, "the tier admits fewer items")
            .exceeding(limit, amount)
            .admitted_by(tiers.lowest_admitting(name, amount))
            .mended_by(fix),
    )
}
