//! `POST /v1/templates`.

use agent_management::creation::{Creation, Request};
use agent_management::error::{Error, Result};
use agent_management::http::{Call, Reply};
use agent_management::id::TemplateId;
use agent_management::template::{Template, TemplateContent, TemplateView};
use agent_management::usecase::template::{Inserted, insert};
use http::StatusCode;

use crate::Templates;

pub async fn create(templates: &Templates, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let idempotency_key = call.idempotency_key()?;
    let document = call.json()?;
    let said = document.to_string();
    let request = Request { route: "POST /v1/templates", idempotency_key, said: &said };
    let content = TemplateContent::read(document)?;
    let id = match idempotency_key {
        Some(given) => {
            TemplateId::derived(&[caller.tenant.as_str(), caller.user.as_str(), request.route, given])
        }
        None => TemplateId::generate(call.now),
    };
    let creation = Creation::new(&caller.user, &request, call.now);
    let template = Template::create(id, content, caller.user.clone(), call.now);
    match insert(&templates.library.base, caller, template, &[], creation).await? {
        Inserted::Created(template) => created(&template),
        Inserted::Replayed(template) => Ok(created(&template)?.replayed()),
        Inserted::Taken => Err(Error::internal("a template's id is taken")),
    }
}

/// 201 with the template and its place.
fn created(template: &Template) -> Result<Reply> {
    let reply = Reply::json(StatusCode::CREATED, &TemplateView::private(template))?;
    Ok(reply.with_etag(template.rev).with_location(&format!("/v1/templates/{}", template.id)))
}
