//! What a project's code is like, and what is worth doing about it.

pub(crate) mod coverage;
pub(crate) mod cycles;
pub(crate) mod debt;
pub(crate) mod duplicates;
pub(crate) mod facts;
pub(crate) mod fingerprints;
pub(crate) mod history;
pub(crate) mod hotspots;
pub(crate) mod opportunities;
pub(crate) mod oxlint;
pub(crate) mod places;
pub(crate) mod sarif;
pub(crate) mod shares;
pub(crate) mod summary;
pub(crate) mod tsc;
