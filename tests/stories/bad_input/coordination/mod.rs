//! The same for the coordination service.

mod fields;
mod valid;

pub(crate) use valid::Subject;
