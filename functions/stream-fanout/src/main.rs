//! The `stream-fanout` function on Lambda.

use std::sync::Arc;

use agent_management::clock::Clock;
use agent_management::lambda;
use agent_management::tier::Tiers;
use agent_management::usecase::Base;
use lambda_runtime::{LambdaEvent, service_fn};
use stream_fanout::{Queues, StreamFanout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::init_tracing();
    let clients = lambda::Clients::from_env()?;
    let queues = Queues {
        webhooks: clients.queue("WEBHOOK_QUEUE_URL")?,
        jobs: clients.queue("JOB_QUEUE_URL")?,
        parked: clients.queue("PARKED_QUEUE_URL")?,
    };
    let base = Base::new(clients.store().await?, Arc::new(Tiers::embedded()?));
    let fanout = StreamFanout::new(base, clients.sockets()?, queues, Clock::system());
    let fanout = &fanout;
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async move { fanout.handle(event.payload).await }))
        .await
}
