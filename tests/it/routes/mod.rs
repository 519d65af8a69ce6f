mod agents;
mod health;
mod unknown;
