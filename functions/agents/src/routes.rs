//! Which handler answers which operation.

mod aliases;
mod approvals;
mod create;
mod entitlements;
mod get;
pub mod health;
mod lifecycle;
mod list;
mod openapi;
mod problems;
mod publish;
mod resolved;
mod search;
mod update;
mod upsert;
mod validate;
mod versions;

use agent_management::agent::Agent;
use agent_management::error::{Error, Result};
use agent_management::http::precondition::Precondition;
use agent_management::http::routes::{AgentsOperation, Operation};
use agent_management::http::{Call, Reply};
use agent_management::id::AgentId;
use agent_management::usecase;

use crate::Agents;

/// Makes of the agent in the path what `decide` says, and gives it as it is then.
pub async fn change(
    agents: &Agents,
    call: &Call,
    precondition: &Precondition,
    decide: impl Fn(&Agent) -> Result<Option<Agent>>,
) -> Result<Agent> {
    let id: AgentId = call.param("id", "agent")?;
    usecase::change::change(&agents.base, call.caller()?, &id, precondition, decide).await
}

pub async fn dispatch(agents: &Agents, call: &Call) -> Result<Reply> {
    let Operation::Agents(operation) = call.route.operation else {
        return Err(Error::internal("a route of another function"));
    };
    match operation {
        AgentsOperation::Live => health::live(),
        AgentsOperation::Ready => health::ready(agents, call).await,
        AgentsOperation::OpenApi => openapi::openapi(agents, call),
        AgentsOperation::Problems => problems::catalogue(call),
        AgentsOperation::Problem => problems::problem(call),
        AgentsOperation::Create => create::create(agents, call).await,
        AgentsOperation::Get => get::get(agents, call).await,
        AgentsOperation::GetByKey => get::get_by_key(agents, call).await,
        AgentsOperation::List => list::list(agents, call).await,
        AgentsOperation::Patch => update::patch(agents, call).await,
        AgentsOperation::Delete => lifecycle::delete(agents, call).await,
        AgentsOperation::Upsert => upsert::upsert(agents, call).await,
        AgentsOperation::Archive => lifecycle::archive(agents, call).await,
        AgentsOperation::Restore => lifecycle::restore(agents, call).await,
        AgentsOperation::Duplicate => create::duplicate(agents, call).await,
        AgentsOperation::Transfer => lifecycle::transfer(agents, call).await,
        AgentsOperation::Validate => validate::validate(agents, call).await,
        AgentsOperation::ValidateDraft => validate::validate_draft(agents, call).await,
        AgentsOperation::PutTool => update::put_tool(agents, call).await,
        AgentsOperation::DeleteTool => update::delete_tool(agents, call).await,
        AgentsOperation::Publish => publish::publish(agents, call).await,
        AgentsOperation::Versions => versions::list(agents, call).await,
        AgentsOperation::Version => versions::get(agents, call).await,
        AgentsOperation::RestoreVersion => versions::restore(agents, call).await,
        AgentsOperation::Diff => versions::diff(agents, call).await,
        AgentsOperation::Rollback => publish::rollback(agents, call).await,
        AgentsOperation::Aliases => aliases::list(agents, call).await,
        AgentsOperation::PutAlias => aliases::put(agents, call).await,
        AgentsOperation::DeleteAlias => aliases::delete(agents, call).await,
        AgentsOperation::Resolved => resolved::resolved(agents, call).await,
        AgentsOperation::Approvals => approvals::list(agents, call).await,
        AgentsOperation::Approval => approvals::get(agents, call).await,
        AgentsOperation::Accept => approvals::accept(agents, call).await,
        AgentsOperation::Reject => approvals::reject(agents, call).await,
        AgentsOperation::Search => search::search(agents, call).await,
        AgentsOperation::Count => search::count(agents, call).await,
        AgentsOperation::Dependents => search::list_dependents(agents, call).await,
        AgentsOperation::Tiers => entitlements::tiers(agents, call),
        AgentsOperation::Models => entitlements::models(agents, call),
        AgentsOperation::Entitlements => entitlements::entitlements(agents, call).await,
        AgentsOperation::Usage => entitlements::usage(agents, call).await,
        AgentsOperation::PreviewEntitlements => entitlements::preview(agents, call).await,
    }
}
