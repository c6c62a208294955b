//! The supervisor as a program of its own, for these stories.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == shim_exec::SUPERVISE)
    {
        return shim_exec::supervise(arguments);
    }
    ExitCode::FAILURE
}
