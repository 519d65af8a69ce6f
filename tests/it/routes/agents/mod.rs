mod create;
mod get;
mod lifecycle;
mod list;
mod patch;
mod tools;
mod upsert;
mod validate;
