//! Stories of programs that do tasks and of the workers that have them done, with real processes.

mod agents;
mod commands;
mod failures;
mod lifeline;
mod memory_task_backend;
mod orphans;
mod test_env;
mod worker_loop;
