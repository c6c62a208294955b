//! The process groups of running programs: each is written down while it runs, kept by the [`OrphanGuard`], and killed whole.
//!
//! What is written down lets a later process find what this one could not kill (see [`super::orphans`]).

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use shim_runtime::process;
use shim_runtime::stack::make_private_dir;

use super::orphan_guard::OrphanGuard;
use super::orphans::{self, Identity, Record};

/// The groups this process has started.
#[derive(Debug)]
pub(super) struct Groups {
    folder: PathBuf,
    orphan_guard: Mutex<OrphanGuard>,
}

impl Groups {
    /// Kills what earlier processes left behind.
    pub(super) fn open(folder: &Path) -> std::io::Result<Self> {
        make_private_dir(folder)?;
        orphans::kill(folder)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            orphan_guard: Mutex::default(),
        })
    }

    /// Takes charge of the group that `leader` leads.
    pub(super) fn adopt(self: &Arc<Self>, leader: u32, task_id: &str) -> std::io::Result<Group> {
        let id = i32::try_from(leader).map_err(std::io::Error::other)?;
        let group = Group {
            groups: Arc::clone(self),
            id,
        };
        // One of the two is enough to have it killed in time, so trouble with one is no reason not to run.
        if let Err(why) = self.orphan_guard().add(id) {
            tracing::warn!(%why, group = id, "no keeper: the group would outlive this process until the next start");
        }
        if let Err(why) = self.write_record(id, leader, task_id) {
            tracing::warn!(%why, group = id, "a process group is not written down");
        }
        Ok(group)
    }

    fn write_record(&self, id: i32, leader: u32, task_id: &str) -> std::io::Result<()> {
        let Some(leader) = process::identity(leader) else {
            return Ok(());
        };
        let record = Record {
            boot_id: process::boot_id(),
            owner: Identity::from(process::own()),
            leader: Identity::from(leader),
            task_id: task_id.to_owned(),
        };
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.path(id))?
            .write_all(&serde_json::to_vec(&record)?)
    }

    fn path(&self, id: i32) -> PathBuf {
        self.folder.join(id.to_string())
    }

    fn orphan_guard(&self) -> MutexGuard<'_, OrphanGuard> {
        self.orphan_guard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running group. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Group {
    groups: Arc<Groups>,
    id: i32,
}

impl Group {
    /// Asks all of the group to end; who was stopped is woken to hear it.
    pub(super) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
        self.signal(Signal::SIGCONT);
    }

    /// Kills all of the group.
    pub(super) fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        // A group that is gone already is as it should be.
        let _ = killpg(Pid::from_raw(self.id), signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        self.groups.orphan_guard().remove(self.id);
        let _ = std::fs::remove_file(self.groups.path(self.id));
    }
}
