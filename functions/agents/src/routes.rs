//! Which handler answers which operation.

mod create;
mod get;
pub mod health;
mod list;

use agent_management::error::Result;
use agent_management::http::routes::{AgentsOperation, Operation};
use agent_management::http::{Call, Reply};

use crate::Agents;

pub async fn dispatch(agents: &Agents, call: &Call) -> Result<Reply> {
    let Operation::Agents(operation) = call.route.operation;
    match operation {
        AgentsOperation::Live => health::live(),
        AgentsOperation::Ready => health::ready(agents, call).await,
        AgentsOperation::Create => create::create(agents, call).await,
        AgentsOperation::Get => get::get(agents, call).await,
        AgentsOperation::List => list::list(agents, call).await,
    }
}
