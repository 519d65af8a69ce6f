//! `DELETE /v1/templates/{id}`.

use agent_management::agent::Summary;
use agent_management::dynamo::head::Operation;
use agent_management::error::{Error, Result};
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply};
use agent_management::id::{TemplateId, TenantId};
use agent_management::search::store::made_from;
use agent_management::template::store::{self, Written};
use agent_management::usecase::change::{ATTEMPTS_MAX, back_off};
use agent_management::violation::Violation;
use http::StatusCode;

use crate::Templates;

/// The most agents that a refusal names.
const NAMED_MAX: usize = 20;
/// Rows that are read at once.
const READ_MAX: usize = 100;

pub async fn delete(templates: &Templates, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let is_forced = call.parameters(&["force"])?.switch("force")?;
    let precondition = Precondition::read(&call.headers)?.required()?;
    let id: TemplateId = call.param("template_id", "template")?;
    let operation = Operation::begin();
    for attempt in 0..ATTEMPTS_MAX {
        let stored = templates.library.find_own(&caller.tenant, &id).await?;
        precondition.check(stored.template.rev)?;
        if !is_forced {
            refuse_followed(templates, &caller.tenant, &id).await?;
        }
        let store = &templates.library.base.store;
        match store::delete(store, &caller.tenant, &stored, operation, &caller.user, call.now).await? {
            Written::Done | Written::Landed(_) => return Ok(Reply::empty(StatusCode::NO_CONTENT)),
            Written::Stale if precondition.is_open() => back_off(attempt).await,
            Written::Stale => return Err(Error::PreconditionFailed),
        }
    }
    Err(Error::Unavailable("the template keeps changing".into()))
}

/// Passes where no agent follows the template. The index is a moment behind: what was made from it just now
/// is not seen.
async fn refuse_followed(templates: &Templates, tenant: &TenantId, id: &TemplateId) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        let page = made_from(&templates.library.base.store, tenant, id, after.as_deref(), READ_MAX).await?;
        if !page.items.is_empty() {
            return Err(Error::Dependents(page.items.iter().take(NAMED_MAX).map(entry).collect()));
        }
        after = page.next_cursor;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn entry(agent: &Summary) -> Violation {
    let mut violation = Violation::new("", "template", format!("{} was made from it", agent.id));
    violation.current = Some(agent.id.clone().into());
    violation
}
