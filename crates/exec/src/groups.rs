//! The process groups of running programs: each is recorded while it runs, watched by the [`OrphanGuard`], and killed whole.
//!
//! The record lets a later process find what this one could not kill (see [`crate::orphans`]).

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use shim_runtime::process;
use shim_runtime::stack::make_private_dir;

use crate::orphan_guard::OrphanGuard;
use crate::orphans::{self, Identity, Record};
use crate::supervisor;

/// The groups that this process started.
#[derive(Debug)]
pub struct Groups {
    folder: PathBuf,
    work_variable: &'static str,
    /// The program that is the supervisor of each child.
    supervisor: Option<PathBuf>,
    orphan_guard: Mutex<OrphanGuard>,
}

impl Groups {
    /// Kills what earlier processes left behind, as recorded in `folder`, which is made if it is missing. `work_variable`
    /// is the environment variable that names a program's work to it; a folder must always be opened with the same one. On a
    /// full disk the folder is made with the first record that there is room for.
    ///
    /// # Errors
    /// If the folder cannot be made for another reason, or read.
    pub fn open(folder: &Path, work_variable: &'static str) -> std::io::Result<Self> {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match make_private_dir(folder) {
            Ok(()) => orphans::kill(folder, work_variable)?,
            Err(why) if matches!(why.kind(), StorageFull | QuotaExceeded) => {
                tracing::warn!(%why, folder = %folder.display(), "process groups are not written down for now");
            }
            Err(why) => return Err(why),
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            work_variable,
            supervisor: None,
            orphan_guard: Mutex::default(),
        })
    }

    /// Lets `program`, which calls [`crate::supervise`] for its first argument [`crate::SUPERVISE`], stand between this process
    /// and each child, so that what leaves a child's group dies with it, too. Where the platform has no subreapers, or the
    /// program is none, children run without.
    #[must_use]
    pub fn supervised_by(self, program: PathBuf) -> Self {
        Self {
            supervisor: supervisor::is_supported().then_some(program),
            ..self
        }
    }

    /// The program that supervises children, if there is one.
    pub(crate) fn supervisor(&self) -> Option<&Path> {
        self.supervisor.as_deref()
    }

    /// The environment variable that names a program's work to it.
    pub(crate) fn work_variable(&self) -> &'static str {
        self.work_variable
    }

    /// Takes charge of the group that `leader` leads.
    pub(crate) fn adopt(self: &Arc<Self>, leader: u32, work_id: &str) -> std::io::Result<Group> {
        let id = i32::try_from(leader).map_err(std::io::Error::other)?;
        let group = Group {
            groups: Arc::clone(self),
            id,
        };
        // Guard or record alone suffice to have the group killed in time, so the failure of one is no reason not to run.
        if let Err(why) = self.orphan_guard().add(id) {
            tracing::warn!(%why, group = id, "no keeper: the group would outlive this process until the next start");
        }
        if let Err(why) = self.write_record(id, leader, work_id) {
            tracing::warn!(%why, group = id, "a process group is not written down");
        }
        Ok(group)
    }

    fn write_record(&self, id: i32, leader: u32, work_id: &str) -> std::io::Result<()> {
        let Some(leader) = Identity::of(leader) else {
            return Ok(());
        };
        let record = Record {
            boot_id: process::boot_id(),
            owner: Identity::own(),
            leader,
            work_id: work_id.to_owned(),
        };
        make_private_dir(&self.folder)?;
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
pub(crate) struct Group {
    groups: Arc<Groups>,
    id: i32,
}

impl Group {
    /// Asks all of the group to end. A stopped process is continued, for it could not handle the signal.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
        self.signal(Signal::SIGCONT);
    }

    /// Kills all of the group.
    pub(crate) fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        // A group that is gone needs no signal.
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
