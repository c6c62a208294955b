//! The one command `shim`: parses, loads the configuration, dispatches, and turns failures into exit codes.
//!
//! Each subcommand has a file of its own; what services do lives in their crates, never here.

mod block_on;
mod checkpoint;
mod cli;
mod config;
mod connection;
mod coordination;
mod demo;
mod doctor;
mod down;
mod error;
mod event_stream;
mod files;
mod gateway;
mod global_flags;
mod healthcheck;
mod hold;
mod id_prefix;
mod install;
mod json_object;
mod locks;
mod messages;
mod output;
mod pages;
mod program_path;
mod remedies;
#[cfg(test)]
mod samples;
mod service;
mod sessions;
mod state;
mod status;
mod store_line;
mod surroundings;
mod tasks;
mod up;
mod worker;
mod workers;
mod workspace_args;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Not locked for good: the gateway writes to stdout from another thread when it is not a pipe.
    match cli::Cli::parse().run(&mut std::io::stdout()) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
