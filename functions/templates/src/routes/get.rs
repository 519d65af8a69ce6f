//! `GET /v1/templates/{id}`.

use agent_management::error::Result;
use agent_management::http::{Call, Reply, precondition};
use agent_management::id::TemplateId;
use agent_management::template::TemplateView;
use http::StatusCode;

use crate::Templates;
use agent_management::usecase::library::Found;

pub async fn get(templates: &Templates, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    call.parameters(&[])?;
    let id: TemplateId = call.param("template_id", "template")?;
    let found = templates.library.find(tenant, &id).await?;
    let view = match &found {
        Found::Public(template) => TemplateView::public(template),
        Found::Private(stored) => TemplateView::private(&stored.template),
    };
    if precondition::is_unchanged(&call.headers, view.rev) {
        return Ok(Reply::empty(StatusCode::NOT_MODIFIED).with_etag(view.rev));
    }
    Ok(Reply::ok(&view)?.with_etag(view.rev))
}
