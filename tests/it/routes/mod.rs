pub mod agents;
mod documents;
mod entitlements;
mod events;
mod health;
mod imports;
pub mod jobs;
mod templates;
mod unknown;
