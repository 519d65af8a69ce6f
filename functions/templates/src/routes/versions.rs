//! `GET /v1/templates/{id}/versions` and `GET …/versions/{version}`.

use agent_management::agent::version::Number;
use agent_management::error::Result;
use agent_management::http::{Call, Reply};
use agent_management::id::TemplateId;
use agent_management::page::{Binding, Page};
use agent_management::template::{TemplateVersionSummary, TemplateVersionView, store};

use crate::Templates;
use agent_management::usecase::library::Found;

pub async fn list(templates: &Templates, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    let parameters = call.parameters(&["limit", "cursor"])?;
    let limit = parameters.limit()?;
    let id: TemplateId = call.param("template_id", "template")?;
    let binding = Binding::new(&[tenant.as_str(), "template versions", id.as_str()]);
    let before = parameters.get("cursor").map(|cursor| binding.decode_number(cursor)).transpose()?;
    let page = match templates.library.find(tenant, &id).await? {
        Found::Private(_) => {
            store::list_versions(&templates.library.base.store, tenant, &id, before, limit).await?
        }
        Found::Public(template) => {
            let newest_first = template.versions.iter().rev();
            let left = newest_first.filter(|version| before.is_none_or(|before| version.number < before));
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let mut items: Vec<TemplateVersionSummary> = left.take(limit + 1).map(Into::into).collect();
            let has_more = items.len() > limit;
            items.truncate(limit);
            let last = items.last().filter(|_| has_more).map(|version| version.version.to_string());
            Page { items, next_cursor: last }
        }
    };
    let next_cursor = page.next_cursor.map(|number| binding.encode(&number));
    Reply::ok(&Page { items: page.items, next_cursor })
}

pub async fn get(templates: &Templates, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    call.parameters(&[])?;
    let id: TemplateId = call.param("template_id", "template")?;
    let Number(number) = call.param("version", "version")?;
    let version = templates.library.version(tenant, &id, Some(number)).await?;
    Reply::ok(&TemplateVersionView::from(version.as_ref()))
}
