//! Several windows and programs on one job, played with nothing but the tools that Claude has.

mod deaths;
mod executors;
mod handover;
mod lineage;
mod test_stack;
mod windows;
