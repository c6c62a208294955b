//! The one command `shim`: parses, loads the configuration, dispatches, and turns failures into exit codes.
//!
//! Each subcommand has a file of its own; what services do lives in their crates, never here.

mod analyze;
mod block_on;
mod checkpoint;
mod cli;
mod config;
mod connection;
mod coordination;
mod demo;
mod doctor;
mod down;
mod empty_options;
mod error;
mod event_stream;
mod evolution;
mod evolve;
mod files;
mod gateway;
mod generate_tests;
mod global_flags;
mod healthcheck;
mod hold;
mod hook;
mod id_prefix;
mod install;
mod json_object;
mod locks;
mod messages;
mod output;
mod pages;
mod patterns;
mod program_path;
mod remedies;
#[cfg(test)]
mod samples;
mod service;
mod serving_process;
mod sessions;
mod state;
mod status;
mod statusline;
mod store_line;
mod surroundings;
mod tasks;
mod up;
mod worker;
mod workers;
mod workspace_args;

use std::ffi::OsString;
use std::process::ExitCode;

use output::lines::Lines;
use shim_runtime::process;

/// Reads the arguments. A fault is printed with nothing hidden in what it repeats of them.
fn parse() -> cli::Cli {
    let shown = |argument: OsString| match argument.into_string() {
        Ok(text) => shim_render::text::line(&text).into_owned().into(),
        Err(bytes) => bytes,
    };
    cli::Cli::read(std::env::args_os()).unwrap_or_else(|fault| {
        let repeated = cli::Cli::read(std::env::args_os().map(shown));
        repeated.err().unwrap_or(fault).exit()
    })
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == shim_exec::SUPERVISE)
    {
        // A process between a worker and the program of a task, which people do not start.
        return shim_exec::supervise(arguments);
    }
    process::keep_owner_rights();
    let words: Vec<_> = std::env::args_os().skip(1).take(2).collect();
    if words == [hook::NAME] {
        // A client waits for it at each step: what other commands need first is not made.
        return hook::run_plain();
    }
    if let Some(code) = statusline::run_plain(std::env::args_os().skip(1)) {
        return code;
    }
    // Not locked for good: the gateway writes to stdout from another thread when it is not a pipe.
    match parse().run(&mut Lines::new(std::io::stdout())) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
