//! The same for the coordination service.

mod field_cases;
mod fields;
mod streams;
mod valid;

pub(crate) use valid::Fixture;
