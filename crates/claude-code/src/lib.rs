//! What Claude Code says of itself, read as events of the contract: the JSON of its hooks and of its status line, its
//! transcripts, and the files it keeps for each live session.
//!
//! The formats are the client's own and move with its versions: what is not understood is left out, never an error.

pub mod hook_input;
pub mod job;
pub mod live_session;
pub mod status_line;
mod texts;
pub mod tool_input;
pub mod transcript;
