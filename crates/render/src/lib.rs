//! The words that the gateway and the command line share: times, figures, states of the contract, cut texts and the
//! resume prompt.
//!
//! Every function takes values and returns text or a verdict. The crate opens no file and no connection and reads no
//! clock: the current time is an argument. A test scans the sources for that.

mod edited_files;
pub mod figures;
mod git_claims;
pub mod guidance;
pub mod hidden;
pub mod id_part;
pub mod likeness;
pub mod observed;
pub mod page;
mod prompt_checks;
mod prompt_input;
mod prompt_parts;
mod prompt_sections;
pub mod resume_prompt;
pub mod session_tasks;
pub mod tasks;
pub mod text;
pub mod time;
mod verbs;
pub mod verification;
pub mod wording;
pub mod words;
pub mod workers;
