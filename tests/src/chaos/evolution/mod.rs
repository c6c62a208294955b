//! The suite of the evolution service: it works on a user's project while the service, its tool host and its tools are killed at
//! random moments. Afterwards the user's tree is byte for byte what it was, and no worktree, branch, process or lock is left.

mod calls;
mod leftovers;
mod suite;
mod user_project;
mod verdict;
mod victims;

pub use suite::{SuiteOptions, run};
pub use verdict::EvolutionVerdict;
