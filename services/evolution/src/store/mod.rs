//! The database of evolutions, outcomes, trust and answers. SQL lives here and nowhere else.
//!
//! (A) Each method of [`Store`] is one intent of a caller, and answers a change after its transaction is on the disk.
//! (B) A state changes only from the state that the caller names, inside the transaction, and its outcome with it.
//! (C) What is read is verified against its hash before it is returned.

mod codec;
mod error;
mod evolution_store;
mod evolutions;
mod listing;
mod outcomes;
mod recorded;
mod schema;
#[cfg(test)]
mod tests;
mod trust;

pub(crate) use error::StoreError;
pub(crate) use evolution_store::Store;
pub(crate) use evolutions::StateChange;
pub(crate) use listing::EvolutionFilter;
pub(crate) use schema::SCHEMA;
