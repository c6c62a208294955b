//! The crash suite: sixteen savers work on one checkpoint service that is killed at random moments, and after every
//! restart the store is held against what was acknowledged.
//!
//! It proves promises (A), (B) and (C) of checkpoints: nothing acknowledged is lost, numbers have no gap, no request
//! has two effects, no damaged content is served. All chance comes from one seed.

mod saver;
mod saver_acks;
mod suite;
mod verdict;

pub use suite::{SuiteOptions, run};
pub use verdict::CheckpointVerdict;
