//! Process groups that outlived the process that started them: found by their records, and killed.
//!
//! A pid may belong to another program by now. A group is killed only if its owner is dead, the machine has not been
//! rebooted since, and its leader started at the recorded tick. If the leader is gone, only those members are killed whose
//! environment names the recorded work.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill as signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use shim_runtime::process;

use crate::procfs::processes;

/// An unreadable record that is younger may still be in the middle of its write.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);

/// A process, told apart from a later one with the same pid by its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pid: u32,
    start_ticks: u64,
}

impl Identity {
    /// This process.
    pub(crate) fn own() -> Self {
        let own = process::own();
        Self {
            pid: own.pid,
            start_ticks: own.start_ticks,
        }
    }

    /// The process that has this pid now, if there is one.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let process = process::identity(pid)?;
        Some(Self {
            pid,
            start_ticks: process.start_ticks,
        })
    }

    /// `false` where the platform knows no start times, without which processes cannot be told apart.
    fn is_alive(self) -> bool {
        self.start_ticks != 0 && Self::of(self.pid) == Some(self)
    }
}

/// The record of a running group.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) boot_id: String,
    /// The process that started the group. While it lives, the group is its own to kill.
    pub(crate) owner: Identity,
    pub(crate) leader: Identity,
    /// Records on disk have always named it so.
    #[serde(rename = "task_id")]
    pub(crate) work_id: String,
}

/// Kills the groups recorded in `folder` whose owners are dead. `work_variable` names a program's work in its environment.
pub(crate) fn kill(folder: &Path, work_variable: &str) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let record = std::fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice::<Record>(&text).ok());
        match record {
            Some(record) if record.owner.is_alive() => continue,
            Some(record) if record.boot_id == process::boot_id() => {
                kill_group(&record, work_variable);
            }
            None if is_fresh(&path) => continue,
            // From before a reboot, or cut short by the death of its writer.
            _ => {}
        }
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// Whether another process may still be writing the file.
fn is_fresh(path: &Path) -> bool {
    let modified = path.metadata().and_then(|meta| meta.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age < WRITTEN_WITHIN))
}

fn kill_group(record: &Record, work_variable: &str) {
    let Ok(group) = i32::try_from(record.leader.pid) else {
        return;
    };
    let work = &record.work_id;
    if record.leader.is_alive() {
        tracing::warn!(
            group,
            task = work,
            "killing programs that outlived their worker"
        );
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        return;
    }
    let variable = format!("{work_variable}={work}");
    for pid in members(group).filter(|pid| has_variable(*pid, &variable)) {
        tracing::warn!(
            pid,
            group,
            task = work,
            "killing a program that outlived its worker"
        );
        let _ = signal(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

fn members(group: i32) -> impl Iterator<Item = i32> {
    let members = processes().filter(move |process| process.group == group);
    members.map(|process| process.pid)
}

fn has_variable(pid: i32, wanted: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|variables| {
        variables
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted.as_bytes())
    })
}
