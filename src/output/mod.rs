//! How answers look: aligned tables and relative times for people, frames for those who watch, canonical proto JSON for
//! programs.
//!
//! Nothing here calls a service or decides anything.

pub(crate) mod bar;
pub(crate) mod json;
pub(crate) mod screen;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;
