//! The tests of the whole service, in one binary: `routes` mirrors the routes, `flows` is what
//! spans several, and the rest are rules that hold everywhere.

mod architecture;
mod authorization;
mod bucket;
mod console;
mod console_files;
mod console_jobs;
mod cost;
mod event_cost;
mod events;
mod flows;
mod job_cost;
mod local_host;
mod mappings;
mod public_templates;
mod routes;
mod search_cost;
mod sockets;
mod template;
mod template_cost;
mod tokens;
mod version_cost;
