//! The supervisor: a process between an owner and its program that no descendant of the program outlives.
//!
//! Descendants leave a process group at will: they begin a session of their own (setsid), and as daemons they let their parents exit.
//! Linux gives such an orphan to its nearest ancestor that is a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER), which the
//! supervisor is. So all that descends from its program, and nothing else, descends from the supervisor, whatever it did to its
//! group, its session or its environment. When the program exits, or the owner is gone, the supervisor kills what is left
//! and ends as its program ended.
//!
//! It notices the end of its owner by the pipe of its standard error, which only the owner reads from.

#[cfg(target_os = "linux")]
mod process;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// The first argument of a supervisor; its program and the program's arguments follow.
pub const SUPERVISE: &str = "supervise-program";
/// Bytes of the line by which a supervisor tells its program's pid.
pub(crate) const PID_LINE_BYTES: usize = 11;
/// What a supervisor exits with that could not start its program.
const CANNOT_START: u8 = 126;

/// Whether this platform has subreapers.
pub(crate) const fn is_supported() -> bool {
    cfg!(target_os = "linux")
}

/// Is the supervisor of the program with these arguments, until both are gone.
#[must_use]
pub fn supervise(command: impl Iterator<Item = OsString>) -> ExitCode {
    match run(command) {
        Ok(code) => code,
        Err(why) => {
            // Nobody may read it any more.
            let _ = writeln!(
                std::io::stderr(),
                "error: a program cannot be supervised: {why}"
            );
            ExitCode::from(CANNOT_START)
        }
    }
}

#[cfg(target_os = "linux")]
fn run(command: impl Iterator<Item = OsString>) -> std::io::Result<ExitCode> {
    process::run(command)
}

#[cfg(not(target_os = "linux"))]
fn run(_: impl Iterator<Item = OsString>) -> std::io::Result<ExitCode> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// The pid in a supervisor's line; `None` if it is none.
pub(crate) fn read_pid(line: [u8; PID_LINE_BYTES]) -> Option<u32> {
    let digits = std::str::from_utf8(&line).ok()?.strip_suffix('\n')?;
    digits.parse().ok().filter(|pid| *pid > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_is_read_from_its_line_alone() {
        assert_eq!(read_pid(*b"0000004242\n"), Some(4242));
        for other in [
            b"running 0 t",
            b"0000000001\n",
            b"00000042421",
            b"+000004242 ",
        ] {
            assert_eq!(read_pid(*other), None);
        }
    }
}
