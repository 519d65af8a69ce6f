//! `POST /v1/agents/search` and `/count`, and `GET /v1/agents/{id}/dependents`.

use agent_management::agent::{Summary, store};
use agent_management::error::Error;
use agent_management::error::Result;
use agent_management::http::{Call, Reply};
use agent_management::id::{AgentId, AliasName, TenantId};
use agent_management::page::{Binding, Page};
use agent_management::search::store::{Found, Wanted, dependents, find};
use agent_management::search::{CountDocument, CountView, Search, SearchDocument, SortBy, placed};

use crate::Agents;

/// How many items a search may read for each row that a page may have.
const READS_PER_ROW: usize = 4;
/// How many agents a request counts at most, and how many items it reads.
const COUNTED_MAX: usize = 1_000;
const COUNT_READS_MAX: usize = READS_PER_ROW * COUNTED_MAX;

pub async fn search(agents: &Agents, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    call.parameters(&[])?;
    let search = SearchDocument::read(call.json_or_empty()?)?;
    let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
    let binding = binding(tenant, "search", &search);
    let found = run(agents, tenant, &search, binding, limit, limit * READS_PER_ROW).await?;
    let items: Vec<Summary> = found.cards.into_iter().map(|card| card.summary).collect();
    Reply::ok(&Page { items, next_cursor: found.next.map(|place| binding.encode(&place)) })
}

pub async fn count(agents: &Agents, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    call.parameters(&[])?;
    let search = CountDocument::read(call.json_or_empty()?)?;
    let binding = binding(tenant, "count", &search);
    let found = run(agents, tenant, &search, binding, COUNTED_MAX, COUNT_READS_MAX).await?;
    let next_cursor = found.next.map(|place| binding.encode(&place));
    Reply::ok(&CountView { count: found.cards.len() as u64, next_cursor })
}

fn binding(tenant: &TenantId, what: &str, search: &Search) -> Binding {
    let by = match search.sort.by {
        SortBy::Created => "created",
        SortBy::Updated => "updated",
        SortBy::Name => "name",
    };
    let direction = if search.sort.is_descending { "-" } else { "" };
    Binding::new(&[tenant.as_str(), what, direction, by, &search.said])
}

async fn run(
    agents: &Agents,
    tenant: &TenantId,
    search: &Search,
    binding: Binding,
    limit: usize,
    reads_max: usize,
) -> Result<Found> {
    let after = search.cursor.as_deref().map(|cursor| place(binding, cursor)).transpose()?;
    let wanted = Wanted { filter: &search.filter, sort: search.sort, after, limit, reads_max };
    Box::pin(find(&agents.base.store, tenant, wanted)).await
}

/// The place in a cursor.
fn place(binding: Binding, cursor: &str) -> Result<String> {
    let place = binding.decode(cursor)?;
    // A cursor is no secret: what is in it may be anyone's.
    if placed(&place).is_some() { Ok(place) } else { Err(Error::InvalidCursor) }
}

pub async fn list_dependents(agents: &Agents, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    let parameters = call.parameters(&["limit", "cursor", "alias"])?;
    let limit = usize::try_from(parameters.limit()?).unwrap_or(usize::MAX);
    let invalid = |_| Error::InvalidParameter { name: "alias", detail: "is no name of an alias".to_owned() };
    let alias: Option<AliasName> =
        parameters.get("alias").map(|name| name.parse().map_err(invalid)).transpose()?;
    let alias = alias.as_ref().map(AliasName::as_str);
    let id: AgentId = call.param("id", "agent")?;
    let binding = Binding::new(&[tenant.as_str(), "dependents", id.as_str(), alias.unwrap_or_default()]);
    let after = parameters.get("cursor").map(|cursor| place(binding, cursor)).transpose()?;
    store::get(&agents.base.store, tenant, &id).await?;
    let page = dependents(&agents.base.store, tenant, &id, alias, after.as_deref(), limit).await?;
    let next_cursor = page.next_cursor.map(|place| binding.encode(&place));
    Reply::ok(&Page { items: page.items, next_cursor })
}
