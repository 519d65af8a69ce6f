//! `POST /v1/templates/{id}/publish`: the draft becomes a version, in one transaction with the head.

use agent_management::agent::version::Release;
use agent_management::creation::{Creation, Request};
use agent_management::dynamo::head::Operation;
use agent_management::error::{Error, Result};
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply};
use agent_management::id::{TemplateId, TenantId};
use agent_management::template::store::{self, Written};
use agent_management::template::{Template, TemplatePublication, TemplateVersion, TemplateVersionView};
use agent_management::usecase::change::{ATTEMPTS_MAX, back_off};
use http::StatusCode;

use crate::Templates;

pub async fn publish(templates: &Templates, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let precondition = Precondition::read(&call.headers)?;
    let idempotency_key = call.idempotency_key()?;
    let document = call.json_or_empty()?;
    let id: TemplateId = call.param("template_id", "template")?;
    let said = format!("{id} {document}");
    let request = Request { route: "POST /v1/templates/{id}/publish", idempotency_key, said: &said };
    let creation = Creation::new(&caller.user, &request, call.now);
    let release = Release::read(document)?;
    let (store, tenant) = (&templates.library.base.store, &caller.tenant);
    let operation = Operation::of(creation);
    for attempt in 0..ATTEMPTS_MAX {
        let stored = templates.library.find_own(tenant, &id).await?;
        if stored.remembers(operation) {
            return replayed(templates, tenant, &stored.template, creation).await;
        }
        precondition.check(stored.template.rev)?;
        if let Some(number) = stored.template.published_as() {
            let version = store::find_version(store, tenant, &id, number).await?;
            let version = version.ok_or_else(|| Error::Unavailable("a version can't be read".into()))?;
            return reply(&version, stored.template.rev, false);
        }
        stored.template.content.refuse_unpublishable()?;
        let (after, version) = stored.template.publish(release.clone(), creation, &caller.user, call.now)?;
        match store::publish(store, tenant, &stored, &after, &version, operation).await? {
            Written::Done => return reply(&version, after.rev, true),
            // Of two requests under one key only one's version is there.
            Written::Landed(now) if idempotency_key.is_some() => {
                return replayed(templates, tenant, &now, creation).await;
            }
            Written::Landed(now) => return reply(&version, now.rev, true),
            Written::Stale if precondition.is_open() => back_off(attempt).await,
            Written::Stale => return Err(Error::PreconditionFailed),
        }
    }
    Err(Error::Unavailable("the template keeps changing".into()))
}

/// The answer to a request that came before.
async fn replayed(
    templates: &Templates,
    tenant: &TenantId,
    template: &Template,
    creation: Creation,
) -> Result<Reply> {
    let version = store::published_by(&templates.library.base.store, tenant, template, creation).await?;
    let version = version.ok_or_else(|| Error::Unavailable("a version can't be read".into()))?;
    Ok(reply(&version, template.rev, true)?.replayed())
}

fn reply(version: &TemplateVersion, rev: u64, minted: bool) -> Result<Reply> {
    let status = if minted { StatusCode::CREATED } else { StatusCode::OK };
    let publication = TemplatePublication { minted, version: TemplateVersionView::from(version) };
    let place = format!("/v1/templates/{}/versions/{}", version.template, version.number);
    Ok(Reply::json(status, &publication)?.with_etag(rev).with_location(&place))
}
