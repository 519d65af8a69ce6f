//! What `main.rs` wires: configuration from the environment, clients, the log, and the step from a
//! Lambda event to a handler.

mod init;
pub mod rest;
mod tls;

pub use init::{BadVariable, Clients, cors_from_env, init_tracing, log_filter, store_from_env};
pub use tls::https_connector;
