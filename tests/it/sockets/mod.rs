//! WebSocket connections through a real socket: every message, every limit, and what no client can do
//! to another.

mod limits;
mod messages;
mod resume;
mod unruly;
