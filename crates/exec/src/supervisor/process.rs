//! What the process of a supervisor does.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Result, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill, killpg, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stdin, dup2_stdout};

use crate::procfs::descendants;

/// What cannot be killed within this time is left: a process in the middle of an operation of a device, or another user's.
const KILLED_WITHIN: Duration = Duration::from_secs(10);
/// So many looks in a row that find nothing to kill show that what is left cannot be killed.
const MAX_IDLE_LOOKS: u32 = 50;
/// Between two looks at what is being killed, in milliseconds.
const LOOK_AGAIN_MS: u16 = 20;

/// Starts the program and stays until it is gone with all its descendants.
pub(super) fn run(mut command: impl Iterator<Item = OsString>) -> Result<ExitCode> {
    set_child_subreaper(true)?;
    let program = command.next().ok_or(std::io::ErrorKind::InvalidInput)?;
    let child = Command::new(program)
        .args(command)
        .process_group(0)
        .spawn()?;
    let program = Pid::from_raw(i32::try_from(child.id()).map_err(std::io::Error::other)?);
    let children = Children::watch(program)?;
    writeln!(std::io::stdout(), "{:010}", child.id())?;
    leave_streams()?;
    children.until_all_are_gone()
}

/// Input and output are the program's alone, so that they end with it.
fn leave_streams() -> Result<()> {
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    Ok(())
}

/// The program, and the orphans that become children of this process.
struct Children {
    program: Pid,
    /// How the program ended.
    end: Option<WaitStatus>,
    deaths: SignalFd,
}

impl Children {
    /// Deaths wake from now on. The program began before, for it would inherit a blocked signal.
    fn watch(program: Pid) -> Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGCHLD);
        signals.thread_block()?;
        Ok(Self {
            program,
            end: None,
            deaths: SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK)?,
        })
    }

    fn until_all_are_gone(mut self) -> Result<ExitCode> {
        let mut has_owner = true;
        while self.reap() && self.end.is_none() && has_owner {
            has_owner = self.wait();
        }
        if self.end.is_none() {
            let _ = killpg(self.program, Signal::SIGKILL);
        }
        self.kill_all();
        end_as(self.end)
    }

    /// Takes notice of all deaths; whether there are children left.
    fn reap(&mut self) -> bool {
        loop {
            match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return true,
                Ok(status) if status.pid() == Some(self.program) => self.end = Some(status),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Waits for a death or for the end of the owner; whether the owner lives.
    fn wait(&self) -> bool {
        let errors = std::io::stderr();
        let mut watched = [
            PollFd::new(self.deaths.as_fd(), PollFlags::POLLIN),
            PollFd::new(errors.as_fd(), PollFlags::empty()),
        ];
        let is_over = poll(&mut watched, PollTimeout::NONE).is_err();
        let is_closed = watched[1].any().unwrap_or(false);
        self.forget_deaths();
        is_over || !is_closed
    }

    fn forget_deaths(&self) {
        while let Ok(Some(_)) = self.deaths.read_signal() {}
    }

    /// Kills the descendants until there are none that can be killed.
    fn kill_all(&mut self) {
        let begun = Instant::now();
        let mut idle_looks = 0;
        while self.reap() && begun.elapsed() < KILLED_WITHIN && idle_looks < MAX_IDLE_LOOKS {
            let found = descendants(Pid::this().as_raw());
            let killed = found
                .iter()
                .filter(|pid| kill(Pid::from_raw(**pid), Signal::SIGKILL) != Err(Errno::EPERM));
            // A process that began during a look may be missing in it; one of another user is in each.
            idle_looks = match killed.count() {
                0 => idle_looks + 1,
                _ => 0,
            };
            let mut watched = [PollFd::new(self.deaths.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut watched, PollTimeout::from(LOOK_AGAIN_MS));
            self.forget_deaths();
        }
    }
}

/// Ends this process as the program ended.
fn end_as(end: Option<WaitStatus>) -> Result<ExitCode> {
    match end {
        Some(WaitStatus::Exited(_, code)) => Ok(ExitCode::from(code.to_le_bytes()[0])),
        Some(WaitStatus::Signaled(_, signal, _)) => {
            // The program left its own core, if any.
            let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
            let _ = raise(signal);
            let code = (signal as i32).to_le_bytes()[0];
            Ok(ExitCode::from(128_u8.saturating_add(code)))
        }
        _ => Err(std::io::Error::other("its end is not known")),
    }
}
