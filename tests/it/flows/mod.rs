mod bad_input;
mod cors;
mod fixes;
mod isolation;
mod model;
mod races;
