//! The registry of workers: which workers live, until when unless they beat again, and which went within the last hour.
//!
//! All of it is in one hash slot, so each transition is one script. A worker's epoch comes from the slot's clock and fences
//! whatever an older incarnation, or one that was declared dead, still sends.

mod membership;
mod model;
mod process_end;
mod processes;
mod read;
mod reap;
mod rows;
mod store;

pub use model::{CHANNELS, Change, Filter, Heartbeat, Page, ReapResult, Recipients, SWEEP, stall};
pub use store::Registry;
