//! `GET /v1/agents/{id}/versions`, `GET …/versions/{version}`, `POST …/versions/{version}/restore` and
//! `GET /v1/agents/{id}/diff`.

use std::collections::BTreeMap;

use agent_management::agent::alias::heaviest;
use agent_management::agent::risk::risks;
use agent_management::agent::version::{self, Number, Version, VersionView};
use agent_management::agent::{Agent, Content, change, store};
use agent_management::error::{Error, Result};
use agent_management::http::documents::DiffDocument;
use agent_management::http::precondition::Precondition;
use agent_management::http::{Call, Reply, answer};
use agent_management::id::{AgentId, AliasName, TenantId};
use agent_management::page::{Binding, Page};
use agent_management::patch;
use agent_management::usecase::change::admitted;

use super::change;
use crate::Agents;

pub async fn list(agents: &Agents, call: &Call) -> Result<Reply> {
    let tenant = &call.caller()?.tenant;
    let parameters = call.parameters(&["limit", "cursor"])?;
    let limit = parameters.limit()?;
    let id: AgentId = call.param("id", "agent")?;
    let binding = Binding::new(&[tenant.as_str(), "versions", id.as_str()]);
    let before = parameters.get("cursor").map(|cursor| binding.decode_number(cursor)).transpose()?;
    let agent = store::get(&agents.base.store, tenant, &id).await?.agent;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = version::store::list(&agents.base.store, tenant, &agent, before, limit).await?;
    let next_cursor = page.next_cursor.map(|number| binding.encode(&number));
    Reply::ok(&Page { items: page.items, next_cursor })
}

pub async fn get(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let id: AgentId = call.param("id", "agent")?;
    let Number(number) = call.param("version", "version")?;
    let agent = store::get(&agents.base.store, &caller.tenant, &id).await?.agent;
    let version = read(agents, &caller.tenant, &agent, number).await?;
    Reply::ok(&VersionView::from(&version))
}

/// A version that the agent has. A publication may drop it while it is read.
async fn read(agents: &Agents, tenant: &TenantId, agent: &Agent, number: u64) -> Result<Version> {
    let number = known(agent, number)?;
    let found = version::store::find(&agents.base.store, tenant, &agent.id, number).await?;
    found.ok_or(Error::NotFound("version"))
}

/// The number, if the agent has such a version.
fn known(agent: &Agent, number: u64) -> Result<u64> {
    if agent.versions.contains(number) { Ok(number) } else { Err(Error::NotFound("version")) }
}

pub async fn restore(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    call.parameters(&[])?;
    let precondition = Precondition::read(&call.headers)?;
    call.nothing_said()?;
    let id: AgentId = call.param("id", "agent")?;
    let Number(number) = call.param("version", "version")?;
    let agent = store::get(&agents.base.store, &caller.tenant, &id).await?.agent;
    let version = read(agents, &caller.tenant, &agent, number).await?;
    let changed = change(agents, call, &precondition, |agent| {
        let content = change::replaced(agent, &version.content)?;
        let after = content.map(|content| agent.with_content(content, &caller.user, call.now));
        after.map(|after| admitted(&agents.base, caller, after)).transpose()
    });
    answer::agent(&changed.await?)
}

/// One side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Draft,
    Version(u64),
}

pub async fn diff(agents: &Agents, call: &Call) -> Result<Reply> {
    let caller = call.caller()?;
    let parameters = call.parameters(&["from", "to"])?;
    let id: AgentId = call.param("id", "agent")?;
    let agent = store::get(&agents.base.store, &caller.tenant, &id).await?.agent;
    let from = match parameters.get("from") {
        Some(from) => side(&agent, "from", from)?,
        None => Side::Version(agent.published_version().ok_or(Error::Unpublished)?),
    };
    let to = side(&agent, "to", parameters.get("to").unwrap_or("draft"))?;
    let numbers = [from, to].into_iter().filter_map(|side| match side {
        Side::Draft => None,
        Side::Version(number) => Some(number),
    });
    let numbers: std::collections::BTreeSet<u64> = numbers.collect();
    let contents = version::store::contents(&agents.base.store, &caller.tenant, &id, numbers).await?;
    let (before, after) = (content(&agent, &contents, from)?, content(&agent, &contents, to)?);
    Reply::ok(&DiffDocument {
        from: name(from),
        to: name(to),
        patch: patch::between(before, after)?,
        risks: risks(before, after).into_iter().map(Into::into).collect(),
    })
}

fn side(agent: &Agent, parameter: &'static str, text: &str) -> Result<Side> {
    match text {
        "draft" => Ok(Side::Draft),
        "live" => {
            let live = agent.aliases.get(&AliasName::live()).ok_or(Error::Unpublished)?;
            Ok(Side::Version(heaviest(&live.routes).ok_or(Error::Unpublished)?.version))
        }
        number => match number.parse() {
            Ok(Number(number)) => known(agent, number).map(Side::Version),
            Err(_) => {
                let detail = "must be draft, live or the number of a version".to_owned();
                Err(Error::InvalidParameter { name: parameter, detail })
            }
        },
    }
}

fn content<'a>(agent: &'a Agent, contents: &'a BTreeMap<u64, Content>, side: Side) -> Result<&'a Content> {
    match side {
        Side::Draft => Ok(&agent.content),
        Side::Version(number) => contents.get(&number).ok_or(Error::NotFound("version")),
    }
}

fn name(side: Side) -> String {
    match side {
        Side::Draft => "draft".to_owned(),
        Side::Version(number) => number.to_string(),
    }
}
