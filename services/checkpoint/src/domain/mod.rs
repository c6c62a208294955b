//! Decisions, and nothing else: every function takes values (the time among them) and returns a value.
//!
//! No database, no transport and no clock may be imported here; a test of the crate scans for that.

pub(crate) mod archive;
pub(crate) mod carry_over;
pub(crate) mod cause;
pub(crate) mod diff;
pub(crate) mod ends;
pub(crate) mod forecast;
pub(crate) mod guidance;
pub(crate) mod hash_chain;
pub(crate) mod observation;
pub(crate) mod recovery;
pub(crate) mod retention;
pub(crate) mod rewording;
pub(crate) mod risk;
pub(crate) mod save_report;
pub(crate) mod seal;
pub(crate) mod segments;
pub(crate) mod session_tasks;
pub(crate) mod snippet;
pub(crate) mod text_match;
