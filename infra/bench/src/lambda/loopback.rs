//! A server on a free port of 127.0.0.1. It ends with its handle, and remembers when it was first
//! connected to.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Debug)]
pub struct Loopback {
    /// Address and port.
    pub address: String,
    connected_at: Arc<OnceLock<Instant>>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Loopback {
    pub async fn serve(router: Router) -> Result<Self, String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?.to_string();
        let connected_at = Arc::new(OnceLock::new());
        let first = Arc::clone(&connected_at);
        let listener = listener.tap_io(move |stream| {
            let _ = first.set(Instant::now());
            // Without this a small answer waits for the acknowledgement of the one before it.
            let _ = stream.set_nodelay(true);
        });
        let serving = tokio::spawn(axum::serve(listener, router).into_future());
        Ok(Self { address, connected_at, serving })
    }

    /// When the first connection was accepted; none if there was none yet.
    pub fn connected_at(&self) -> Option<Instant> {
        self.connected_at.get().copied()
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
