//! The suite of the evolution service: it works on a user's project while the service, its tool host and its tools are killed
//! at random moments. Afterwards the user's tree is byte for byte what it was, no worktree, branch, process or lock is left, and
//! the same call works and has one effect.

mod calls;
mod leftovers;
mod moment;
mod round;
mod suite;
mod user_project;
mod verdict;
mod victims;

/// The transform that rounds propose, approve and take back.
const TRANSFORM: &str = "var-to-let-const";

pub use suite::{SuiteOptions, run};
pub use verdict::EvolutionVerdict;
