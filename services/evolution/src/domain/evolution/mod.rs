//! Evolutions of code: what the transforms are, what a change is as a diff, and whether it held.

mod catalog;
mod compare;
mod diff;
mod known_places;
mod meaning;

pub(crate) use catalog::{CUSTOM, CatalogEntry, catalog, entry};
pub(crate) use compare::{Diagnostics, TestFigures, compare_tests, new_diagnostics, parse_tsc};
pub(crate) use diff::{patched, unified};
pub(crate) use known_places::KnownPlaces;
pub(crate) use meaning::lines_beyond_meaning;
