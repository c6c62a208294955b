//! File leases: the table of a workspace, and the steps that change it.
//!
//! Whether patterns overlap is decided outside the store, so an acquisition is two steps: read the table, then add the
//! lease if no other was added in between. The invariant: of two leases that live at one time, by Redis's clock, the later
//! was decided with the earlier in sight.

mod acquire;
mod decision;
mod hold;
mod model;
mod rows;
mod store;

pub use model::{LeaseOutcome, LeaseRequest, RELEASED};
pub use store::Files;
