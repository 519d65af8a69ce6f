//! `POST /v1/templates/{id}/render`: what would be made, and what stands in its way. Nothing is written.

use agent_management::error::Result;
use agent_management::http::{Call, Reply};
use agent_management::id::TemplateId;
use agent_management::template::render::render as render_with;
use agent_management::template::{RenderDocument, RenderingView};
use agent_management::tier;

use crate::Templates;

pub async fn render(templates: &Templates, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let said = RenderDocument::read(call.json_or_empty()?)?;
    let id: TemplateId = call.param("template_id", "template")?;
    let (content, version) = templates.library.content(&caller.tenant, &id, said.version, said.draft).await?;
    let rendering = render_with(&content, &said.variables, "/variables");
    let tiers = &templates.library.base.tiers;
    let limits = tiers.limits(&caller.entitlements);
    let excess = rendering.agent.as_ref().map(|agent| tier::violations(tiers, &limits, agent));
    Reply::ok(&RenderingView::new(&id, version, &rendering, excess.unwrap_or_default()))
}
