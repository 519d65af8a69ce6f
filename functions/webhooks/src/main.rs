//! The `webhooks` function on Lambda.

use std::sync::Arc;

use agent_management::clock::Clock;
use agent_management::lambda;
use agent_management::tier::Tiers;
use webhooks::Webhooks;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::init_tracing();
    let store = lambda::store_from_env().await?;
    let tiers = Arc::new(Tiers::embedded()?);
    lambda::rest::run(Webhooks::new(store, tiers, Clock::system(), lambda::cors_from_env()?)).await
}
