//! The `search-indexer` function on Lambda.

use agent_management::clock::Clock;
use agent_management::lambda;
use lambda_runtime::{LambdaEvent, service_fn};
use search_indexer::SearchIndexer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::init_tracing();
    let clients = lambda::Clients::from_env()?;
    let parked = clients.queue("PARKED_QUEUE_URL")?;
    let indexer = SearchIndexer::new(clients.store().await?, parked, Clock::system());
    let indexer = &indexer;
    lambda_runtime::run(service_fn(
        |event: LambdaEvent<_>| async move { indexer.handle(event.payload).await },
    ))
    .await
}
