//! `PATCH /v1/templates/{id}`.

use agent_management::dynamo::head::Operation;
use agent_management::error::{Error, Result};
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply};
use agent_management::id::TemplateId;
use agent_management::patch::Dialect;
use agent_management::template::store::{self, Written};
use agent_management::template::{Template, TemplateView, patched};
use agent_management::usecase::change::{ATTEMPTS_MAX, back_off};

use crate::Templates;

pub async fn patch(templates: &Templates, call: &Call) -> Result<Reply> {
    let dialect = Dialect::of(call.media_type().as_deref())?;
    let caller = call.caller()?;
    call.parameters(&[])?;
    let precondition = Precondition::read(&call.headers)?.required()?;
    let patch = call.patch(dialect)?;
    let id: TemplateId = call.param("template_id", "template")?;
    let operation = Operation::begin();
    for attempt in 0..ATTEMPTS_MAX {
        let stored = templates.library.find_own(&caller.tenant, &id).await?;
        precondition.check(stored.template.rev)?;
        let Some(content) = patched(&stored.template, &patch)? else {
            return reply(&stored.template);
        };
        let after = stored.template.with_content(content, &caller.user, call.now);
        let written =
            store::update(&templates.library.base.store, &caller.tenant, &stored, &after, operation).await?;
        match written {
            Written::Done => return reply(&after),
            Written::Landed(now) => return reply(&now),
            Written::Stale if precondition.is_open() => back_off(attempt).await,
            Written::Stale => return Err(Error::PreconditionFailed),
        }
    }
    Err(Error::Unavailable("the template keeps changing".into()))
}

/// The template with its ETag.
fn reply(template: &Template) -> Result<Reply> {
    Ok(Reply::ok(&TemplateView::private(template))?.with_etag(template.rev))
}
