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
    let base = Base::new(lambda::store_from_env().await?, Arc::new(Tiers::embedded()?));
    lambda::rest::run(Jobs::new(base, Clock::system(), lambda::cors_from_env()?)).await
}
