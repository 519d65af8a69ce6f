//! The `templates` function on Lambda.

use std::sync::Arc;

use agent_management::clock::Clock;
use agent_management::lambda;
use agent_management::template::public::PublicTemplates;
use agent_management::tier::Tiers;
use agent_management::usecase::Base;
use agent_management::usecase::library::Library;
use templates::Templates;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::init_tracing();
    let base = Base::new(lambda::store_from_env().await?, Arc::new(Tiers::embedded()?));
    let public = Arc::new(PublicTemplates::embedded()?);
    let library = Library::new(base, public);
    lambda::rest::run(Templates::new(library, Clock::system(), lambda::cors_from_env()?)).await
}
