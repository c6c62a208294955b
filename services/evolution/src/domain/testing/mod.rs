//! Decisions about tests: which runner a project has, what a run of it proves, which functions get tests, which tests stay.

pub(crate) mod candidates;
pub(crate) mod detection;
pub(crate) mod habits;
pub(crate) mod observation;
pub(crate) mod render;
pub(crate) mod report;
pub(crate) mod runner;
pub(crate) mod script;
pub(crate) mod selection;
pub(crate) mod sequence;
mod sequence_text;
mod statements;
pub(crate) mod style;
pub(crate) mod tap;
mod titles;
pub(crate) mod verdict;
pub(crate) mod words;
