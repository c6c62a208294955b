//! Evidence that only the user's machine has: files, the git repository, the memory of the client.
//!
//! Evidence is gathered within a time budget and never fails a call: what could not be seen is sent as not seen.

mod files;
mod git;
mod head;
mod links;
mod memory;
mod named_files;
mod project;
mod repository;
mod sizes;
mod tree_signature;
mod work_tree;

pub use files::inspect as inspect_files;
pub use git::inspect as inspect_git;
pub(crate) use links::own_names;
pub(crate) use memory::MemoryGauge;
pub use project::inspect_project;
pub(crate) use sizes::of_files as sizes_of_files;
