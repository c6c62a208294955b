//! Changes of code: previewed, applied in a worktree of their own, verified, committed or discarded.
//!
//! (A) A proposal is made from what is committed, and touches nothing. (B) A change is applied in a worktree below the data folder,
//! never in the user's. (C) Its branch begins to exist with its commit, after every check passed. (D) What a crash leaves behind,
//! a worktree or an evolution that is being applied or taken back, is found and ended at the next start.

mod apply;
mod approve;
mod at_work;
mod checks;
mod commands;
mod commit;
mod context;
mod custom;
mod draft;
mod offer;
mod options;
mod propose;
mod recover;
mod references;
mod repository;
mod revert;
mod reverting;
mod sources;
#[cfg(test)]
mod tests;
mod types;
mod verify;
mod worktree;

pub(crate) use approve::Approval;
pub(crate) use at_work::AtWork;
pub(crate) use context::{Evolver, EvolverLimits, Watch};
pub(crate) use offer::Offer;
pub(crate) use options::{CustomTransform, EvolveOptions};
pub(crate) use propose::Proposals;
