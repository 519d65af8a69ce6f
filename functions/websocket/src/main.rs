//! The `websocket` function on Lambda.

use std::sync::Arc;

use agent_management::clock::Clock;
use agent_management::lambda;
use agent_management::tier::Tiers;
use lambda_runtime::{LambdaEvent, service_fn};
use websocket::WebSocket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::init_tracing();
    let clients = lambda::Clients::from_env()?;
    let tiers = Arc::new(Tiers::embedded()?);
    let websocket = WebSocket::new(clients.store().await?, clients.sockets()?, tiers, Clock::system());
    let websocket = &websocket;
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async move {
        Ok::<_, lambda_runtime::Error>(Box::pin(websocket.handle(event.payload)).await)
    }))
    .await
}
