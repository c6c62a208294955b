//! The command line as people and scripts see it: every subcommand that needs no terminal, run as a process against a real
//! stack with known data. Each snapshot holds the command, its exit code, its stdout and its stderr.
//!
//! What differs from run to run is replaced (`redaction.rs`). `INSTA_UPDATE=always` writes the snapshots anew; a change of
//! one is a change of what people see, and is read as such. Servers (`gateway`, `checkpoint`, `coordination`, `worker`, `up`
//! without `--detach`) and the demo have stories of their own.

mod coordination;
mod known_data;
mod redaction;
mod remedies;
mod sessions;
mod shell;
mod stack;
mod tasks;
mod workers;
