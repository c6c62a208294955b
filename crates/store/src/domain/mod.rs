//! Pure decisions: no clock, no Redis, no tonic.

pub(crate) mod lease_table;
pub mod leases;
pub mod topics;

pub use shim_runtime::files::{Pattern, PatternError};
