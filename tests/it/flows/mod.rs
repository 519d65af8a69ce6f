mod bad_input;
mod fixes;
mod isolation;
mod model;
mod races;
