//! Versioned state: an entry is a hash with a field for each field of its value, so that a patch touches only its own.
//!
//! Beside the entries of a namespace the store keeps their names in order, their deadlines, and the history that watchers
//! follow. This module never waits for a change; watchers do.

mod model;
mod read;
mod rows;
mod store;
mod write;

pub use model::{
    Change, Conditions, MAX_ENTRY_BYTES, MAX_FIELDS, Page, Patch, StateRef, UPDATED, WriteRequest,
    Written,
};
pub use store::States;
