//! Which handler answers which operation.

mod audit;
mod events;
mod tickets;

use agent_management::error::{Error, Result};
use agent_management::http::routes::{Operation, WebhooksOperation};
use agent_management::http::{Call, Reply};

use crate::Webhooks;

pub async fn dispatch(webhooks: &Webhooks, call: &Call) -> Result<Reply> {
    let Operation::Webhooks(operation) = call.route.operation else {
        return Err(Error::internal("a route of another function"));
    };
    match operation {
        WebhooksOperation::Events => events::list(webhooks, call).await,
        WebhooksOperation::Audit => audit::list(webhooks, call).await,
        WebhooksOperation::CreateTicket => tickets::create(webhooks, call).await,
    }
}
