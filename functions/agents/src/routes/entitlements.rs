//! `GET /v1/tiers`, `/v1/models`, `/v1/entitlements` and `/v1/usage`: what a tenant may do, and how
//! much of it is used.

use agent_management::error::Result;
use agent_management::http::documents::{EntitlementsDocument, Items, OfferedModel, Usage, UsageDocument};
use agent_management::http::{Call, Reply};
use agent_management::tier::LimitName;

use crate::Agents;

pub fn tiers(agents: &Agents, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    Reply::ok(&Items::whole(agents.tiers.all().iter().collect()))
}

pub fn models(agents: &Agents, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    let limits = agents.tiers.limits(&call.caller()?.entitlements);
    let offered = agents.tiers.models().iter().cloned().map(|model| OfferedModel {
        admitted: agents.tiers.admits_model(&limits, &model.provider, &model.id),
        provider: model.provider,
        id: model.id,
        tier: model.tier,
        context_tokens: model.context_tokens,
    });
    Reply::ok(&Items::whole(offered.collect()))
}

/// The tenant's tier, from its record: what the next write is judged by.
pub async fn entitlements(agents: &Agents, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    let (_, entitlements) = agents.usage(&call.caller()?.tenant).await?;
    let limits = agents.tiers.limits(&entitlements);
    let tier = limits.tier();
    Reply::ok(&EntitlementsDocument {
        tier: tier.name.clone(),
        custom_models: tier.custom_models,
        traffic_split: tier.traffic_split,
        approvals: tier.approvals,
        limits: LimitName::ALL.into_iter().map(|name| (name, limits.get(name))).collect(),
        overrides: entitlements.overrides,
    })
}

pub async fn usage(agents: &Agents, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    let (used, entitlements) = agents.usage(&call.caller()?.tenant).await?;
    let limits = agents.tiers.limits(&entitlements);
    let limit = limits.get(LimitName::Agents);
    let percent = limit.map(|limit| used.saturating_mul(100).checked_div(limit).unwrap_or(100));
    Reply::ok(&UsageDocument { tier: limits.tier().name.clone(), agents: Usage { used, limit, percent } })
}
