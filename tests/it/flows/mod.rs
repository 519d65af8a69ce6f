mod bad_input;
mod cors;
mod fanout;
mod fixes;
mod isolation;
mod model;
mod races;
mod reconcile;
