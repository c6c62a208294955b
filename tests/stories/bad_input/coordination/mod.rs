//! The same for the coordination service.

mod fields;
mod streams;
mod valid;

pub(crate) use valid::Fixture;
