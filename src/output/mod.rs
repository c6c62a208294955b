//! How answers look: aligned tables and relative times for people, canonical proto JSON for programs.
//!
//! Nothing here calls a service or decides anything.

pub(crate) mod json;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;
