//! The coordination suites.
//!
//! - [`races`]: processes that all count on one entry by compare-and-set end at the exact count.
//! - [`holders`]: processes that lock, write under the lock's fence and are frozen at random never write after their
//!   lock was lost.
//! - [`outages`]: a Redis that is killed, cut off or frozen under load loses nothing acknowledged, and no call hangs.

pub mod actor_args;
pub mod holders;
pub mod outages;
pub mod races;
