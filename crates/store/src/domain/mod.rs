//! Pure decisions: no clock, no Redis, no tonic.

mod glob;
mod glob_syntax;
#[cfg(test)]
mod glob_trial;
pub mod leases;
mod letters;
pub mod topics;

pub use glob::Pattern;
pub use glob_syntax::Malformed;
