//! The one command `shim`: parses, loads the configuration, dispatches, and turns failures into exit codes.
//!
//! Each subcommand has a file of its own; what services do lives in their crates, never here.

mod checkpoint;
mod cli;
mod config;
mod connection;
mod demo;
mod doctor;
mod down;
mod failure;
mod gateway;
mod install;
mod output;
mod sessions;
mod status;
mod up;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Not locked for good: the gateway writes to stdout from another thread when it is not a pipe.
    match cli::Cli::parse().run(&mut std::io::stdout()) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
