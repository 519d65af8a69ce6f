mod agents;
mod documents;
mod entitlements;
mod health;
mod unknown;
