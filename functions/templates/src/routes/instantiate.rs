//! `POST /v1/templates/{id}/instantiate`: from a version to an agent in one request.

use agent_management::agent::{self, Creation, Request};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Scope;
use agent_management::http::{Call, Reply, answer};
use agent_management::id::TemplateId;
use agent_management::template::InstantiateDocument;
use agent_management::usecase::insert::{insert, replayed};
use agent_management::usecase::instantiate::instance;
use agent_management::usecase::publish;

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
    let version = match templates.version(&caller.tenant, &template, document.version).await {
        Ok(version) => version,
        // The agent outlives its template, and so does the answer to the request that made it.
        Err(error @ Error::NotFound(_)) if idempotency_key.is_some() => {
            let earlier = replayed(&templates.base, &caller.tenant, &id, creation, call.now).await?;
            return answer::inserted(earlier.ok_or(error)?);
        }
        Err(error) => return Err(error),
    };
    let agent = instance(id, key, &version, &document, caller, call.now)?;
    let inserted = insert(&templates.base, caller, agent, creation).await?;
    if !is_published {
        return answer::inserted(inserted);
    }
    let published = publish::first(&templates.base, caller, inserted, creation, call.now);
    answer::inserted(Box::pin(published).await?)
}
