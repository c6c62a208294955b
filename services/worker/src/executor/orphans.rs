//! Process groups that outlived the process that started them: found by what was written down, and killed.
//!
//! A pid may belong to a stranger by now. A group is killed only if its owner is dead, the machine was not started
//! anew, and its leader began at the very tick that was written down; without its leader, only those of the group are
//! killed whose environment names the same task.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill as signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use shim_proto::checkpoint::v1::ProcessIdentity;
use shim_runtime::process;

/// A few hundred bytes are written at once, if the disk is not full.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);

/// The variable that names the task to its programs.
pub(super) const TASK_ID: &str = "SHIM_TASK_ID";

/// A process that is not mistaken for another one with its pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pid: u32,
    start_ticks: u64,
}

impl From<ProcessIdentity> for Identity {
    fn from(process: ProcessIdentity) -> Self {
        Self {
            pid: process.pid,
            start_ticks: process.start_ticks,
        }
    }
}

impl Identity {
    /// Only where start times are known can a process be told from a later one.
    fn is_alive(self) -> bool {
        self.start_ticks != 0
            && process::is_alive(&ProcessIdentity {
                pid: self.pid,
                start_ticks: self.start_ticks,
            })
    }
}

/// A process group as it is written down.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) boot_id: String,
    /// The process that started the group and kills it, as long as it lives.
    pub(super) owner: Identity,
    pub(super) leader: Identity,
    pub(super) task_id: String,
}

/// Kills what was written down in `folder` by processes that are dead.
pub(super) fn kill(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let record = std::fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice::<Record>(&text).ok());
        match record {
            Some(record) if record.owner.is_alive() => continue,
            Some(record) if record.boot_id == process::boot_id() => kill_group(&record),
            None if is_fresh(&path) => continue,
            // Of another start of the machine, or cut short as its writer died.
            _ => {}
        }
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// Whether it may be that somebody still writes it.
fn is_fresh(path: &Path) -> bool {
    let modified = path.metadata().and_then(|meta| meta.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age < WRITTEN_WITHIN))
}

fn kill_group(record: &Record) {
    let Ok(group) = i32::try_from(record.leader.pid) else {
        return;
    };
    let task = &record.task_id;
    if record.leader.is_alive() {
        tracing::warn!(group, task, "killing programs that outlived their worker");
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        return;
    }
    for pid in members(group).filter(|pid| has_task_id(*pid, task)) {
        tracing::warn!(
            pid,
            group,
            task,
            "killing a program that outlived its worker"
        );
        let _ = signal(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// The processes of a group, from procfs (proc(5)); none where there is no procfs.
fn members(group: i32) -> impl Iterator<Item = i32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(move |pid| {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .is_ok_and(|stat| group_in(&stat) == Some(group))
        })
}

/// Field 5 of `/proc/PID/stat`, counted after the name, which may hold anything.
fn group_in(stat: &str) -> Option<i32> {
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_ascii_whitespace().nth(2)?.parse().ok()
}

fn has_task_id(pid: i32, task_id: &str) -> bool {
    let wanted = format!("{TASK_ID}={task_id}");
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|names| {
        names
            .split(|byte| *byte == 0)
            .any(|name| name == wanted.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_read_after_any_name() {
        assert_eq!(group_in("7 (a) S 9) S 1 42 7 0 -1"), Some(42));
        assert_eq!(group_in("7 (sh"), None);
    }
}
