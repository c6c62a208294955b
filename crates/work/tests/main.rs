//! Stories of workers over a backend in memory: claiming, reporting, draining, and what fails.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod executors;
mod failures;
mod memory_task_backend;
mod test_env;
mod worker_loop;
