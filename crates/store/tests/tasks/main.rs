//! Tasks over a real Redis: what the scripts decide, and what BullMQ holds after it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod buttons;
mod dead_letters;
mod faults;
mod files;
mod foreign;
mod holds;
mod invariants;
mod lifecycle;
mod lineage;
mod matrix;
mod notices;
mod order;
mod process;
mod pruning;
mod queues;
mod race;
mod random_walk;
mod redis_cost;
mod retries;
mod schedules;
mod task_metrics;
mod test_store;
mod time;
