//! `POST /v1/templates`.

use agent_management::creation::{Creation, Meeting, Request};
use agent_management::error::{Error, Result};
use agent_management::http::caller::Caller;
use agent_management::http::{Call, Reply};
use agent_management::id::TemplateId;
use agent_management::template::store::{self, Insertion};
use agent_management::template::{Template, TemplateContent, TemplateHead, TemplateView};
use agent_management::tenant::Counted;
use http::StatusCode;

use crate::Templates;

/// How often a creation is tried again because the entitlements or the head changed under it.
const ATTEMPTS_MAX: usize = 4;

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
    insert(templates, caller, template, creation).await
}

async fn insert(
    templates: &Templates,
    caller: &Caller,
    mut template: Template,
    creation: Creation,
) -> Result<Reply> {
    let (base, tenant) = (&templates.library.base, &caller.tenant);
    let mut entitlements = caller.entitlements.clone();
    let mut over = None;
    for _ in 0..ATTEMPTS_MAX {
        let assumed = base.assumed(&entitlements, Counted::Templates);
        match store::insert(&base.store, tenant, &template, creation, over, assumed).await? {
            Insertion::Done => return created(&template),
            Insertion::Exists(head, earlier) => {
                match (creation.meet(earlier, head.tombstone(), template.created.at)?, head) {
                    (Meeting::Revive { rev }, _) => {
                        over = Some(rev);
                        template = template.revived_after(rev);
                    }
                    (Meeting::Replay, TemplateHead::Live(there)) => return Ok(created(&there)?.replayed()),
                    (Meeting::Replay | Meeting::Taken, _) => {
                        return Err(Error::internal("a template's id is taken"));
                    }
                }
            }
            Insertion::Refused(record) => {
                entitlements = base.entitlements_after(&record, &entitlements, Counted::Templates)?;
            }
        }
    }
    Err(Error::Unavailable("the tenant's entitlements or the template keep changing".into()))
}

/// 201 with the template and its place.
fn created(template: &Template) -> Result<Reply> {
    let reply = Reply::json(StatusCode::CREATED, &TemplateView::private(template))?;
    Ok(reply.with_etag(template.rev).with_location(&format!("/v1/templates/{}", template.id)))
}
