//! Pure decisions: no clock, no Redis, no tonic.

mod char_class;
mod glob;
#[cfg(test)]
mod glob_model_test;
mod glob_parts;
mod glob_syntax;
pub mod leases;
pub mod topics;

pub use glob::Pattern;
pub use glob_syntax::PatternError;
