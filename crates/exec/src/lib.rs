//! Child processes: each leads a process group of its own, is bounded in time and output, and leaves nothing behind.
//!
//! [`GroupChild`] is a child that lives as long as its handle, for a peer that is spoken to over its pipes. [`Run`] is one
//! exchange: input in, lines out, an end within a time limit. The crate knows no task, no store and no wire: its callers say
//! what a program is for and judge how it ended.
//!
//! Folders and variables are confined as a rule for callers, not as a sandbox: a program has the rights of this process.

mod artifacts;
mod child;
mod folder;
mod groups;
mod lines;
mod orphan_guard;
mod orphans;
mod output;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod procfs;
mod program;
mod progress_lines;
mod run;
mod spans;
mod supervisor;
mod text;

pub use artifacts::{Artifacts, Files, Keeping, MAX_ARTIFACT_BYTES};
pub use child::{GroupChild, Launch};
pub use folder::{FolderError, canonical, confine};
pub use groups::Groups;
pub use lines::Lines;
pub use output::Output;
pub use program::{find_program, inherited_env};
pub use progress_lines::{MAX_NOTE_BYTES, ProgressLines};
pub use run::{ExitCause, Run, RunEvent, RunLimits, RunOutput};
pub use supervisor::{SUPERVISE, supervise};
pub use text::{clipped, first_line};
