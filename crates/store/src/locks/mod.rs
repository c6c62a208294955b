//! Locks: a lock's record in the store makes its holder; with lock nodes, a majority of them must agree first.
//!
//! The invariant: while a record lives, its token is the only one that guarded writes of its namespace accept, and no other
//! caller is granted the lock. Redis deletes a record at its end, by Redis's clock, so the writes of a holder that was
//! stopped for too long are refused, whatever happened to the lock since.

mod acquire;
mod hold;
mod list;
mod model;
mod redlock;
mod rows;
mod store;

pub use model::{AcquireRequest, LockOwnership, LockRef, RELEASED};
pub(crate) use redlock::Redlock;
pub use store::Locks;
