//! Patterns of files: what they cover, how a name that is there is written as one, and whether anything matches them.
//!
//! Only `links`, `names` and `presence` look at a disk.

mod brackets;
mod char_class;
mod foreign;
mod glob;
#[cfg(test)]
mod glob_model_test;
mod glob_parts;
mod glob_syntax;
mod links;
mod names;
#[cfg(test)]
mod names_test;
mod pattern_error;
mod prefix;
mod presence;

pub use foreign::check as check_form;
pub use glob::{Budget, Pattern};
pub use links::{LinkError, real};
pub use names::{as_pattern, as_sent_name, as_sent_pattern, literal, shown};
pub use pattern_error::PatternError;
pub use prefix::beginnings;
pub use presence::unmatched;
