//! `POST /v1/templates/{id}/instantiate`: from a version to an agent in one request.

use agent_management::agent::{self, Creation, Request};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Scope;
use agent_management::http::{Call, Reply, answer};
use agent_management::id::TemplateId;
use agent_management::template::InstantiateDocument;
use agent_management::template::render::within_agent;
use agent_management::usecase::insert::{insert, replayed};
use agent_management::usecase::instantiate::instance;
use agent_management::usecase::publish;
use agent_management::violation::Violation;

use crate::Templates;

pub async fn instantiate(templates: &Templates, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let is_published = call.parameters(&["publish"])?.switch("publish")?;
    caller.require(Scope::TemplatesRead)?;
    if is_published {
        caller.require(Scope::AgentsPublish)?;
    }
    let idempotency_key = call.idempotency_key()?;
    let document = call.json_or_empty()?;
    let template: TemplateId = call.param("template_id", "template")?;
    let said = format!("{template} {document}");
    let (document, key) = InstantiateDocument::read(document)?;
    let route = "POST /v1/templates/{id}/instantiate";
    let request = Request { route, idempotency_key, said: &said };
    let id = agent::id_for(&caller.tenant, &caller.user, key.as_ref(), &request, call.now);
    let creation = Creation::new(&caller.user, &request, call.now);
    let version = templates.library.version(&caller.tenant, &template, document.version).await;
    let agent = version.and_then(|version| instance(id.clone(), key, &version, &document, caller, call.now));
    let agent = match agent {
        Ok(agent) => agent,
        // The agent outlives what it was made from, and so does the answer to the request that made it.
        Err(error) if idempotency_key.is_some() => {
            let earlier = replayed(&templates.library.base, &caller.tenant, &id, creation, call.now).await?;
            return answer::inserted(earlier.ok_or(error)?);
        }
        Err(error) => return Err(error),
    };
    let inserted = insert(&templates.library.base, caller, agent, creation).await.map_err(of_rendered)?;
    if !is_published {
        return answer::inserted(inserted);
    }
    let published = publish::first(&templates.library.base, caller, inserted, creation, call.now);
    answer::inserted(Box::pin(published).await?)
}

/// What of the rendered agent exceeds the tier, as a rendering tells it. What it exceeds by being one more has
/// no place in it.
fn of_rendered(error: Error) -> Error {
    let placed = |violation: Violation| {
        if violation.pointer.is_empty() { violation } else { within_agent(violation) }
    };
    match error {
        Error::Entitlement(found) => Error::Entitlement(found.into_iter().map(placed).collect()),
        other => other,
    }
}
