//! Who owns which session right now: leases held by streams, kept in memory and measured with the monotonic clock,
//! in time in which this process ran.
//!
//! The epoch in the database decides which client may write; a lease only shows whether that owner still lives. Losing
//! this table (a restart) costs nothing: every active session gets one fresh lease to come back in.
//!
//! A client that tells of itself needs no stream: its lease lives as long as its process (`watched.rs`), and what it told
//! says how it ended (`ends.rs`).

pub(crate) mod alive_again;
mod ends;
mod evidence;
pub(crate) mod expiry;
mod leases;
pub(crate) mod observed;
mod oom;
mod transcript;
mod watched;

pub(crate) use leases::{Leases, OwnerEvent, Renewal};
