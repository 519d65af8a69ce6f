//! `GET /v1/templates/{id}/agents`, and `POST /v1/templates/{id}/drift` and `/upgrade`: the agents that were made
//! from a template, how far one and the template have grown apart, and how they come together.

use agent_management::agent::change::refuse_archived;
use agent_management::agent::store::{self, Operation, Stored};
use agent_management::agent::{Agent, AgentView};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Scope;
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply};
use agent_management::id::{AgentId, TemplateId};
use agent_management::json;
use agent_management::page::{Binding, Page};
use agent_management::patch;
use agent_management::search::placed;
use agent_management::search::store::made_from;
use agent_management::template::drift::{self, DriftDocument, Made, UpgradeDocument, UpgradeView, Upgraded};
use agent_management::template::render::within_agent;
use agent_management::usecase::change::{ATTEMPTS_MAX, Attempt, told, write};
use agent_management::usecase::insert::judge;
use agent_management::violation::Violation;

use crate::Templates;

pub async fn agents(templates: &Templates, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let parameters = call.parameters(&["limit", "cursor"])?;
    caller.require(Scope::AgentsRead)?;
    let limit = usize::try_from(parameters.limit()?).unwrap_or(usize::MAX);
    let id: TemplateId = call.param("template_id", "template")?;
    let binding = Binding::new(&[caller.tenant.as_str(), "template agents", id.as_str()]);
    let after = parameters.get("cursor").map(|cursor| binding.decode(cursor)).transpose()?;
    if after.as_deref().is_some_and(|place| placed(place).is_none()) {
        return Err(Error::InvalidCursor);
    }
    templates.library.find(&caller.tenant, &id).await?;
    let page = made_from(&templates.library.base.store, &caller.tenant, &id, after.as_deref(), limit).await?;
    let next_cursor = page.next_cursor.map(|place| binding.encode(&place));
    Reply::ok(&Page { items: page.items, next_cursor })
}

pub async fn drift(templates: &Templates, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    caller.require(Scope::AgentsRead)?;
    let DriftDocument { agent_id, version } = json::read(call.json()?)?;
    let id: TemplateId = call.param("template_id", "template")?;
    let agent = store::get(&templates.library.base.store, &caller.tenant, &agent_id).await?.agent;
    let stands = templates.library.stands(&caller.tenant, &id, &agent, version).await?;
    let made = Made { content: &agent.content, link: &stands.link };
    Reply::ok(&drift::drift(&agent.id, agent.rev, made, stands.between())?)
}

/// What one reading of the agent leads to.
struct Planned {
    stored: Stored,
    from: u64,
    upgraded: Upgraded,
    after: Agent,
}

pub async fn upgrade(templates: &Templates, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let is_preview = call.parameters(&["preview"])?.switch("preview")?;
    caller.require(Scope::TemplatesRead)?;
    let precondition = Precondition::read(&call.headers)?;
    let said = UpgradeDocument::read(call.json()?)?;
    let template: TemplateId = call.param("template_id", "template")?;
    let operation = Operation::begin();
    let mut entitlements = caller.entitlements.clone();
    for attempt in 0..ATTEMPTS_MAX {
        let planned = plan(templates, call, &template, &precondition, &said).await?;
        let excess = judge(&templates.library.base, &caller.entitlements, &planned.after);
        let excess: Vec<Violation> = excess.into_iter().map(within_agent).collect();
        let undecided = planned.upgraded.undecided();
        if is_preview {
            let violations = undecided.into_iter().chain(excess).collect();
            return reply(&planned, &planned.after, false, violations);
        }
        if !undecided.is_empty() {
            return Err(Error::MergeConflict(undecided));
        }
        if !excess.is_empty() {
            return Err(Error::Entitlement(excess));
        }
        if planned.is_done() {
            return reply(&planned, &planned.stored.agent, true, Vec::new());
        }
        let wanted = Attempt { number: attempt, operation, precondition: &precondition };
        let written = write(
            &templates.library.base,
            caller,
            &planned.stored,
            &planned.after,
            wanted,
            &mut entitlements,
        );
        if let Some(agent) = written.await? {
            return reply(&planned, &agent, true, Vec::new());
        }
    }
    Err(Error::Unavailable("the agent keeps changing".into()))
}

impl Planned {
    /// Whether the agent is what the upgrade leads to.
    fn is_done(&self) -> bool {
        let agent = &self.stored.agent;
        agent.content == self.after.content && agent.template == self.after.template
    }
}

async fn plan(
    templates: &Templates,
    call: &Call,
    template: &TemplateId,
    precondition: &Precondition,
    said: &UpgradeDocument,
) -> Result<Planned> {
    let caller = call.caller()?;
    let id: &AgentId = &said.agent_id;
    let stored = store::get(&templates.library.base.store, &caller.tenant, id).await?;
    precondition.check(stored.agent.rev)?;
    refuse_archived(&stored.agent)?;
    let stands = templates.library.stands(&caller.tenant, template, &stored.agent, said.version).await?;
    let made = Made { content: &stored.agent.content, link: &stands.link };
    let upgraded = drift::upgrade(made, stands.between(), said)?;
    let after = stored.agent.with_content(upgraded.content.clone(), &caller.user, call.now);
    let after = told(&templates.library.base, Agent { template: Some(upgraded.link.clone()), ..after });
    Ok(Planned { from: stands.link.version, stored, upgraded, after })
}

fn reply(planned: &Planned, agent: &Agent, applied: bool, violations: Vec<Violation>) -> Result<Reply> {
    let view = UpgradeView {
        applied,
        from_version: planned.from,
        to_version: planned.upgraded.link.version,
        patch: patch::between(&planned.stored.agent.content, &planned.upgraded.content)?,
        conflicts: &planned.upgraded.conflicts,
        dropped: &planned.upgraded.dropped,
        violations,
        agent: AgentView::from(agent),
    };
    // The agent's own: of a preview it is that of the agent as it is.
    let rev = if applied { agent.rev } else { planned.stored.agent.rev };
    Ok(Reply::ok(&view)?.with_etag(rev))
}
