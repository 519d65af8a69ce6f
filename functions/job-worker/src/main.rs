//! The `job-worker` function on Lambda.

use std::sync::Arc;

use agent_management::clock::Clock;
use agent_management::lambda;
use agent_management::template::public::PublicTemplates;
use agent_management::tier::Tiers;
use agent_management::usecase::Base;
use agent_management::usecase::library::Library;
use job_worker::JobWorker;
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::init_tracing();
    let clients = lambda::Clients::from_env()?;
    let jobs = clients.queue("JOB_QUEUE_URL")?;
    let base = Base::new(clients.store().await?, Arc::new(Tiers::embedded()?));
    let library = Library::new(base, Arc::new(PublicTemplates::embedded()?));
    let clock = Clock::system();
    let worker = &JobWorker::new(library, jobs, clients.files(clock.clone())?, clock);
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async move { worker.handle(event.payload).await }))
        .await
}
