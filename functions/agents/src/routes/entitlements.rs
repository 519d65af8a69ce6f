//! `GET /v1/tiers`, `/v1/models`, `/v1/entitlements` and `/v1/usage`, and `POST /v1/entitlements/preview`: what
//! a tenant may do, how much of it is used, and what another tier would do to its agents.

use agent_management::agent::store::candidates;
use agent_management::entitlement::reconcile::{Effect, plan};
use agent_management::entitlement::{EntitlementsDocument, PreviewDocument, PreviewView, UsageView};
use agent_management::error::{Error, Result};
use agent_management::http::documents::{Items, OfferedModel};
use agent_management::http::{Call, Reply};
use agent_management::page::Binding;
use agent_management::tier::Entitlements;

use crate::Agents;

pub fn tiers(agents: &Agents, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    Reply::ok(&Items::whole(agents.base.tiers.all().iter().collect()))
}

pub fn models(agents: &Agents, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    let tiers = &agents.base.tiers;
    let limits = tiers.limits(&call.caller()?.entitlements);
    let offered = tiers.models().iter().cloned().map(|model| {
        let admitted = tiers.admits_model(&limits, &model.provider, &model.id);
        OfferedModel::new(model, admitted)
    });
    Reply::ok(&Items::whole(offered.collect()))
}

/// The tenant's tier, from its record: what the next write is judged by.
pub async fn entitlements(agents: &Agents, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    let (_, entitlements) = agents.base.tenant(&call.caller()?.tenant).await?;
    let limits = agents.base.tiers.limits(&entitlements);
    Reply::ok(&EntitlementsDocument::new(&limits, entitlements.overrides))
}

pub async fn usage(agents: &Agents, call: &Call) -> Result<Reply> {
    call.parameters(&[])?;
    let (record, entitlements) = agents.base.tenant(&call.caller()?.tenant).await?;
    Reply::ok(&UsageView::new(&record, &agents.base.tiers.limits(&entitlements)))
}

/// Everything is planned for each page: the rows of the list say all that a tier judges by, at a call for
/// each megabyte of them.
pub async fn preview(agents: &Agents, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    call.parameters(&[])?;
    let tiers = &agents.base.tiers;
    let asked = PreviewDocument::read(call.json()?, tiers)?;
    let question = PreviewDocument { cursor: None, ..asked.clone() };
    let question = serde_json::to_string(&question).map_err(|_| Error::internal("a question is no JSON"))?;
    let binding = Binding::new(&[tenant.as_str(), "entitlements preview", &question]);
    let first = asked.cursor.as_deref().map(|cursor| binding.decode_number(cursor)).transpose()?.unwrap_or(0);
    let first = usize::try_from(first).map_err(|_| Error::InvalidCursor)?;
    let entitlements = Entitlements { tier: asked.tier, overrides: asked.overrides, rev: 0 };
    let limits = tiers.limits(&entitlements);
    let (record, _) = agents.base.tenant(tenant).await?;
    let all = candidates(&agents.base.store, tenant).await?;
    let plan = plan(tiers, &limits, &all, &asked.keep);
    let [suspended, lifted, blocked] =
        [Effect::Suspended, Effect::Lifted, Effect::Blocked].map(|effect| plan.count(effect));
    let end = first.saturating_add(usize::try_from(asked.limit).unwrap_or(usize::MAX));
    let next_cursor = (end < plan.affected.len()).then(|| binding.encode(&end.to_string()));
    let rows = plan.affected.into_iter().take(end).skip(first);
    Reply::ok(&PreviewView {
        tier: limits.tier().name.clone(),
        usage: UsageView::new(&record, &limits),
        active_before: plan.active_before,
        active_after: plan.active_after,
        suspended,
        lifted,
        blocked,
        items: rows.map(Into::into).collect(),
        next_cursor,
    })
}
