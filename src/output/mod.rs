//! The look of answers: aligned tables and relative times for people, frames for a terminal that is watched, canonical
//! proto JSON for programs.
//!
//! Nothing here calls a service or decides anything. Words, figures and spans come from shim-render.

pub(crate) mod bar;
pub(crate) mod emit;
pub(crate) mod fields;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod say;
pub(crate) mod screen;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod time;
