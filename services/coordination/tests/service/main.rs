//! Stories of the coordination service: each has its own server on a Unix socket and its own Redis server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod bus;
mod bus_faults;
mod crowds;
mod file_sights;
mod file_tables;
mod file_waits;
mod files;
mod inbox;
mod lock_nodes;
mod locks;
mod names;
mod process_watch;
mod queue_holds;
mod readers;
mod reaper;
mod recipients;
mod refusals;
mod refusals_of_tasks;
mod registry;
mod registry_lists;
mod schedules;
mod state;
mod state_bounds;
mod supervisor;
mod task_decisions;
mod task_refusals;
mod task_results;
mod task_watching;
mod tasks;
mod test_service;
mod test_worker;
mod watching;
mod watching_workers;
