//! HTTP as this service speaks it: the route table, what a request is once it is accepted, what a
//! handler replies, and the one place where errors become problem documents.
//!
//! Invariant: only this folder and the functions' `routes` know status codes and headers.

pub mod answer;
pub mod base_path;
mod call;
pub mod caller;
pub mod cors;
pub mod documents;
mod exchange;
pub mod openapi;
pub mod precondition;
pub mod problem;
mod reply;
pub mod routes;

pub use base_path::BasePath;
pub use call::{Call, Parameters};
pub use exchange::serve;
pub use problem::Problem;
pub use reply::{JSON, PROBLEM_JSON, Reply};
