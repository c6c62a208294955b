//! Looks at processes and signals them, by id only.

use std::collections::HashMap;
use std::iter::Sum;
use std::ops::Sub;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Sends `signal` to `pid`. A process that is gone already is no error.
///
/// # Panics
/// If the signal may not be sent.
pub fn signal(pid: u32, signal: Signal) {
    let target = Pid::from_raw(i32::try_from(pid).expect("a pid fits"));
    match kill(target, signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(e) => panic!("cannot send {signal} to {pid}: {e}"),
    }
}

/// Resident memory of `pid` in bytes; 0 if it is gone.
#[must_use]
pub fn resident_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmRSS:")
}

/// The most memory that was ever resident of `pid`, in bytes; 0 if it is gone.
#[must_use]
pub fn peak_resident_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| {
        line.strip_prefix(field)?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    kib.unwrap_or(0) * 1024
}

/// The processes that `pid` started and that live.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|child| parent(*child) == Some(pid)).collect()
}

/// The process that started `pid`; `None` if it is dead. It is field 4 of `/proc/PID/stat`, counted after the name, which may
/// hold anything.
#[must_use]
pub fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.next()?.parse().ok()
}

/// `pid` and all that it and its children started, as far as they live.
#[must_use]
pub fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut seen = 0;
    while let Some(member) = family.get(seen) {
        family.extend(children(*member));
        seen += 1;
    }
    family
}

/// The first of the family of `pid` that runs this program, or has this text in its command line.
#[must_use]
pub fn relative(pid: u32, program_or_text: &str) -> Option<u32> {
    let is_wanted = |pid: &u32| {
        let program = std::fs::read_link(format!("/proc/{pid}/exe"));
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        program.is_ok_and(|it| it.as_os_str() == program_or_text)
            || String::from_utf8_lossy(&line).contains(program_or_text)
    };
    family(pid).into_iter().find(is_wanted)
}

/// What the scheduler gave to one thread, or to several together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scheduled {
    /// Time on a processor.
    pub run: Duration,
    /// Times a thread went to sleep by itself, which is how often one was woken.
    pub switches: u64,
}

impl Sub for Scheduled {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            run: self.run.saturating_sub(before.run),
            switches: self.switches.saturating_sub(before.switches),
        }
    }
}

impl Sum for Scheduled {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            run: sum.run + one.run,
            switches: sum.switches + one.switches,
        })
    }
}

/// What the scheduler gave between two looks at the same processes. What a thread got that ended in between is not known.
#[must_use]
pub fn scheduled_between(
    before: &HashMap<PathBuf, Scheduled>,
    after: &HashMap<PathBuf, Scheduled>,
) -> Scheduled {
    let known = |thread| before.get(thread).copied().unwrap_or_default();
    after.iter().map(|(thread, now)| *now - known(thread)).sum()
}

/// What the scheduler gave to each thread of `pid` so far: `/proc/PID/task/*/schedstat` and `status`.
#[must_use]
pub fn scheduled(pid: u32) -> HashMap<PathBuf, Scheduled> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let of_thread = |thread: std::fs::DirEntry| {
        let read =
            |name: &str| std::fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let nanos = read("schedstat")
            .split_ascii_whitespace()
            .next()
            .and_then(|nanos| nanos.parse().ok());
        let status = read("status");
        let switches = status.lines().find_map(|line| {
            let count = line.strip_prefix("voluntary_ctxt_switches:")?;
            count.trim().parse().ok()
        });
        let scheduled = Scheduled {
            run: Duration::from_nanos(nanos.unwrap_or(0)),
            switches: switches.unwrap_or(0),
        };
        (thread.path(), scheduled)
    };
    threads.map(of_thread).collect()
}

/// The sum of the lines of `/proc/PID/smaps_rollup` that begin with `field`, in bytes; 0 if the process is gone.
#[must_use]
pub fn rollup_bytes(pid: u32, field: &str) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let lines = rollup.lines().filter(|line| line.starts_with(field));
    let kib = lines.filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
    kib.sum::<u64>() * 1024
}

/// The files that a process has open; 0 if it is gone.
#[must_use]
pub fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}
