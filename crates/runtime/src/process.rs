//! Identities of processes that survive the reuse of a pid, the boot id and the host's name.
//!
//! On Linux the facts come from procfs (proc(5)); elsewhere only the life of a pid is known.

use std::path::PathBuf;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::kill;
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;
use shim_proto::checkpoint::v1::ProcessIdentity;

/// This process.
#[must_use]
pub fn own() -> ProcessIdentity {
    let pid = std::process::id();
    identity(pid).unwrap_or(ProcessIdentity {
        pid,
        start_ticks: 0,
    })
}

/// The process that started this one.
#[must_use]
pub fn parent() -> Option<ProcessIdentity> {
    identity(std::os::unix::process::parent_id())
}

/// The process with this pid now, if there is one.
#[must_use]
pub fn identity(pid: u32) -> Option<ProcessIdentity> {
    if pid == 0 {
        return None;
    }
    if cfg!(target_os = "linux") {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(ProcessIdentity {
            pid,
            start_ticks: start_ticks(&stat)?,
        })
    } else {
        let exists =
            kill(Pid::from_raw(i32::try_from(pid).ok()?), None) != Err(nix::errno::Errno::ESRCH);
        exists.then_some(ProcessIdentity {
            pid,
            start_ticks: 0,
        })
    }
}

/// The parent of the process with this pid now; `None` without procfs.
pub(crate) fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Field 22 of `/proc/PID/stat`. The name in field 2 may hold spaces and parentheses, so count after the last one.
/// A zombie (state Z) counts as gone.
fn start_ticks(stat: &str) -> Option<u64> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether that very process still runs, and not another one with its pid.
#[must_use]
pub fn is_alive(process: &ProcessIdentity) -> bool {
    identity(process.pid)
        .is_some_and(|now| now.start_ticks == process.start_ticks || process.start_ticks == 0)
}

/// Whether the system says that this very process is gone. One that merely cannot be seen, as with procfs's `hidepid`, is not.
#[must_use]
pub fn is_gone(process: &ProcessIdentity) -> bool {
    let Ok(pid) = i32::try_from(process.pid) else {
        return false;
    };
    if pid == 0 {
        return false;
    }
    if kill(Pid::from_raw(pid), None) == Err(nix::errno::Errno::ESRCH) {
        return true;
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| match start_ticks(&stat) {
        Some(started) => process.start_ticks != 0 && started != process.start_ticks,
        None => true,
    })
}

/// The kernel's names of this process's namespaces of process ids and of times: pids and start times mean the same process
/// only within both. Empty where the platform has none.
#[must_use]
pub fn namespaces() -> String {
    let name = |kind: &str| {
        let name = std::fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
        name.into_os_string().into_string().ok()
    };
    let Some(pid) = name("pid") else {
        return String::new();
    };
    // A kernel before 5.6 has one time for all.
    match name("time") {
        Some(time) => format!("{pid},{time}"),
        None => pid,
    }
}

/// The kernel's id of this start of the machine; empty where the platform has none.
#[must_use]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// Keeps a umask from taking the owner's own rights, as 0277 does: files that SHIM makes it must be able to open. Call it
/// first, while there is one thread: for a moment the umask is 077.
pub fn keep_owner_rights() {
    let taken = umask(Mode::S_IRWXG | Mode::S_IRWXO);
    umask(taken & (Mode::S_IRWXG | Mode::S_IRWXO));
}

/// The host's name; empty if it cannot be read.
#[must_use]
pub fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .map(|name| name.trim().to_owned())
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default()
}

/// The path of this program, to start another process of it: of the one that took its place, if it was replaced meanwhile.
///
/// # Errors
/// If the system does not tell it.
pub fn own_program() -> std::io::Result<PathBuf> {
    Ok(without_deleted(std::env::current_exe()?))
}

/// Linux adds a mark to the path of a program that was removed or replaced (proc(5), `/proc/PID/exe`).
fn without_deleted(path: PathBuf) -> PathBuf {
    let replaced = path
        .to_str()
        .and_then(|path| path.strip_suffix(" (deleted)"));
    match replaced.map(PathBuf::from) {
        Some(replaced) if !path.exists() => replaced,
        _ => path,
    }
}

/// Allows this process as many open files as it may have: each connection is one, and the usual soft limit of 1,024 is
/// meant for programs that use `select`.
pub fn raise_open_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(%error, soft, "the limit of open files cannot be raised");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(start_ticks(stat), Some(4242));
        assert_eq!(
            start_ticks("7 (x) Z 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1"),
            None
        );
    }

    #[test]
    fn a_program_that_was_replaced_is_found_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("shim (deleted)");
        assert_eq!(without_deleted(odd.clone()), folder.path().join("shim"));
        std::fs::write(&odd, "").unwrap();
        assert_eq!(without_deleted(odd.clone()), odd, "a name like any other");
    }

    #[test]
    fn a_process_is_gone_once_it_is_killed_or_its_pid_is_anothers() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let child_identity = identity(child.id()).unwrap();
        let earlier = ProcessIdentity {
            start_ticks: child_identity.start_ticks + 1,
            ..child_identity
        };
        assert!(!is_gone(&child_identity) && is_gone(&earlier));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_gone(&child_identity));
        let unknown = ProcessIdentity::default();
        assert!(!is_gone(&unknown) && !is_gone(&own()));
    }

    #[test]
    fn a_child_is_alive_until_it_is_killed() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let child_identity = identity(child.id()).unwrap();
        assert!(is_alive(&child_identity));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_alive(&child_identity));
        assert!(is_alive(&own()));
    }
}
