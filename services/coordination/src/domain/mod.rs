//! Pure decisions.

mod glob;
mod glob_syntax;
#[cfg(test)]
mod glob_trial;
pub(crate) mod leases;
mod letters;
pub(crate) mod topics;

pub(crate) use glob::Pattern;
