//! The `authorizer` function on Lambda.

use agent_management::clock::Clock;
use agent_management::lambda;
use agent_management::tier::Tiers;
use authorizer::{Authorizer, Settings};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::init_tracing();
    let store = lambda::store_from_env().await?;
    let settings = Settings::from_env(lambda::https_connector)?;
    let authorizer = Authorizer::new(settings, store, Tiers::embedded()?, Clock::system()).await;
    let authorizer = &authorizer;
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async move {
        authorizer.authorize(event.payload).await
    }))
    .await
}
