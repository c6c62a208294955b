//! File leases: the table of a workspace, and the steps that change it.
//!
//! Whether patterns overlap is decided outside the store, over the table that this process has in sight: the store adds the
//! lease if no other was added since, and else answers what was. The invariant: of two leases that live at one time, by
//! Redis's clock, the later was decided with the earlier in sight.

mod acquire;
mod decision;
mod hold;
mod model;
mod rows;
mod store;
mod table_cache;

pub use model::{LeaseOutcome, LeaseRequest, RELEASED};
pub use store::Files;
