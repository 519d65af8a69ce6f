pub mod agents;
mod documents;
mod entitlements;
mod events;
mod health;
mod templates;
mod unknown;
