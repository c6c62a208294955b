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
    match cli::Cli::parse().run(&mut std::io::stdout().lock()) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
