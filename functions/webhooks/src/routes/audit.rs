//! `GET /v1/agents/{id}/audit`.

use agent_management::agent;
use agent_management::error::{Error, Result};
use agent_management::event::store::audit;
use agent_management::http::{Call, Reply};
use agent_management::id::AgentId;
use agent_management::page::{Binding, Page};

use crate::Webhooks;

pub async fn list(webhooks: &Webhooks, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    let id: AgentId = call.param("id", "agent")?;
    let parameters = call.parameters(&["limit", "cursor"])?;
    let limit = parameters.limit()?;
    let binding = Binding::new(&[tenant.as_str(), "audit", id.as_str()]);
    let before = match parameters.get("cursor") {
        None => None,
        Some(cursor) => Some(binding.decode(cursor)?.parse().map_err(|_| Error::InvalidCursor)?),
    };
    let page = audit::list(&webhooks.store, tenant, &id, before, limit, call.now).await?;
    if page.items.is_empty() && before.is_none() {
        // A deleted agent still has its rows; one that was just created may not have one yet.
        agent::store::get(&webhooks.store, tenant, &id).await?;
    }
    let next_cursor = page.next_cursor.map(|rev| binding.encode(&rev));
    Reply::ok(&Page { items: page.items, next_cursor })
}
