pub mod agents;
mod documents;
mod entitlements;
mod events;
mod health;
mod unknown;
