//! The `jobs` function on Lambda.

use std::sync::Arc;

use agent_management::clock::Clock;
use agent_management::lambda;
use agent_management::tier::Tiers;
use agent_management::usecase::Base;
use jobs::Jobs;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::init_tracing();
    let clients = lambda::Clients::from_env()?;
    let base = Base::new(clients.store().await?, Arc::new(Tiers::embedded()?));
    lambda::rest::run(Jobs::new(base, clients.signer()?, Clock::system(), lambda::cors_from_env()?)).await
}
