//! The whole service on one machine: the functions that run on Lambda, in one process, over an
//! embedded table, behind a front that speaks API Gateway's events. It is what a newcomer starts
//! and what the tests drive.
//!
//! Modelled so far: the table with its indexes and stream ([`table`]), REST and WebSocket with the
//! authorizer and its cache ([`gateway`], [`sockets`]), queues ([`queues`]), event source mappings
//! ([`mapping`]), schedules, and an identity provider ([`issuer`]). Not modelled: what each module's
//! doc says, and IAM, quotas of the account, latency.

mod banner;
pub mod bucket;
pub mod cli;
pub mod clients;
mod control;
pub mod gateway;
pub mod host;
pub mod issuer;
pub mod mapping;
mod pages;
pub mod queues;
pub mod schedule;
pub mod server;
mod socket;
pub mod sockets;
pub mod table;
