//! The database of sessions, checkpoints and signals. SQL lives here and nowhere else.
//!
//! (A) Each method of [`Store`] is one intent of a caller, and answers a change after its transaction is on the disk.
//! (B) Ownership, idempotency and numbering are checked inside the transaction that changes anything.
//! (C) What is read is verified against its hash before it is returned.
//! (D) States are packed beside the writer, never on its thread; the transaction checks that the head has not moved.

mod binding;
mod checkpoint_store;
mod codec;
mod compression;
mod content;
mod context_points;
mod ending;
mod exporting;
mod forking;
mod head;
mod import_spool;
mod importing;
mod layout;
mod new_session;
mod observed_salvage;
mod observed_saving;
mod observing;
mod ownership;
mod packed_record;
#[cfg(test)]
mod packing_test;
mod reading;
mod restore_answer;
mod restoring;
mod retention;
mod retry_turns;
mod reuse;
#[cfg(test)]
mod reuse_test;
mod rows;
mod salvage;
mod save_answer;
mod saving;
mod schema;
mod searching;
mod segment_salvage;
mod signalling;
mod tables;
mod verifying;

pub(crate) use checkpoint_store::Store;
pub(crate) use import_spool::ImportSpool;
pub(crate) use importing::{archive_error, at_line};
pub(crate) use observing::{Observed, ObservedSession};
pub(crate) use reading::{CheckpointRef, missing_numbers};
pub(crate) use retention::PruneRule;
pub(crate) use saving::SaveOptions;
pub(crate) use schema::SCHEMA;
pub use tables::gaps::MissingNumbers;
pub(crate) use tables::sessions::{Owner, SessionFilter};
pub(crate) use tables::stored_session::StoredSession;
pub(crate) use verifying::verify;
pub use verifying::{Fault, SealVerdict, VerifyReport, VerifyScope};
