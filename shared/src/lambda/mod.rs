//! What `main.rs` wires: configuration from the environment, clients, the log, and the step from a
//! Lambda event to a handler.

mod init;
pub mod rest;

pub use init::{Clients, MissingVariable, cors_from_env, https_connector, init_tracing, store_from_env};
