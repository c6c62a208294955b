//! Stories of the coordination service: a real server on a Unix socket, a real Redis of its own for each.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bus;
mod bus_faults;
mod crowds;
mod file_tables;
mod files;
mod house;
mod inbox;
mod locks;
mod readers;
mod reaper;
mod recipients;
mod registry;
mod state;
mod state_bounds;
mod watching;
mod watching_workers;
