//! The Agent Management Service, without its entry points: the features, the one table, the HTTP
//! conventions and the wiring that every function shares.
//!
//! Folders are features. In each, `mod.rs` is types and pure rules, `store.rs` is DynamoDB and
//! `view.rs` is the public JSON. `tests/it/architecture.rs` reads these sources and keeps it so.

pub mod agent;
pub mod approval;
pub mod clock;
pub mod connection;
pub mod creation;
pub mod diff;
pub mod dynamo;
pub mod entitlement;
pub mod error;
pub mod event;
pub mod export;
pub mod files;
pub mod http;
pub mod id;
pub mod import;
pub mod job;
pub mod json;
pub mod lambda;
pub mod page;
pub mod patch;
pub mod queue;
pub mod search;
pub mod template;
pub mod tenant;
pub mod tier;
pub mod usecase;
pub mod violation;
pub mod webhook;
