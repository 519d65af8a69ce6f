//! What the tests drive: the whole service in this process, over an embedded table, with a clock
//! that stands still, a recorder under the SDK, and clients that build requests and render whole
//! answers for snapshots.

mod answer;
mod app;
mod browser;
mod builders;
mod recorded;
mod recorder;
mod socket;
pub mod template;

pub use answer::Answer;
pub use app::{App, Client, Outgoing, TENANT};
pub use browser::Browser;
pub use builders::{AgentBuilder, an_agent};
pub use recorded::Recorded;
pub use recorder::{Fault, Recorder, Stop};
pub use socket::{Listening, PATIENCE, Remote, Socket, options};
