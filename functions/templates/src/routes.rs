//! Which handler answers which operation.

mod create;
mod delete;
mod follow;
mod get;
mod instantiate;
mod list;
mod publish;
mod render;
mod update;
mod versions;

use agent_management::error::{Error, Result};
use agent_management::http::routes::{Operation, TemplatesOperation};
use agent_management::http::{Call, Reply};

use crate::Templates;

pub async fn dispatch(templates: &Templates, call: &Call) -> Result<Reply> {
    let Operation::Templates(operation) = call.route.operation else {
        return Err(Error::internal("a route of another function"));
    };
    match operation {
        TemplatesOperation::Create => create::create(templates, call).await,
        TemplatesOperation::List => list::list(templates, call).await,
        TemplatesOperation::Get => get::get(templates, call).await,
        TemplatesOperation::Patch => update::patch(templates, call).await,
        TemplatesOperation::Delete => delete::delete(templates, call).await,
        TemplatesOperation::Publish => publish::publish(templates, call).await,
        TemplatesOperation::Versions => versions::list(templates, call).await,
        TemplatesOperation::Version => versions::get(templates, call).await,
        TemplatesOperation::Render => render::render(templates, call).await,
        TemplatesOperation::Instantiate => instantiate::instantiate(templates, call).await,
        TemplatesOperation::Agents => follow::agents(templates, call).await,
        TemplatesOperation::Drift => follow::drift(templates, call).await,
        TemplatesOperation::Upgrade => follow::upgrade(templates, call).await,
    }
}
