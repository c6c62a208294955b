//! A claim, kept in a file from before it is made until its task was said: each hook is a process of its own, and one that
//! dies in between leaves it. The next one makes the same claim again, which gives the same task for as long as the service
//! remembers the request; a task that was given already is looked up.

use std::fs::OpenOptions;
use std::io::{Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use shim_proto::coordination::v1::{Task, TaskState, Worker};
use shim_runtime::data_dir::{make_private_dir, open_own, read_bounded};
use uuid::Uuid;

/// Three ids and three numbers.
const MAX_BYTES: u64 = 300;

/// One claim of a worker.
#[derive(Debug, Clone)]
pub(super) struct ClaimName {
    file: PathBuf,
    /// Another epoch is another worker: what the one before had went back.
    worker: String,
    /// What the claim is asked with.
    pub(super) request_id: Uuid,
    /// What it gave.
    pub(super) given: Option<Given>,
}

/// A task as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) task_id: String,
    attempt: u32,
    pub(super) lease: u64,
}

impl ClaimName {
    /// The one that was left behind for this worker, else a new one. A claim that cannot be kept is made all the same.
    pub(super) fn of(file: &Path, worker: &Worker) -> Self {
        let new = Self {
            file: file.to_owned(),
            worker: format!("{} {}", worker.worker_id, worker.epoch),
            request_id: Uuid::now_v7(),
            given: None,
        };
        new.left_behind().unwrap_or_else(|| {
            let _ = new.keep();
            new
        })
    }

    /// The claim gave this task.
    pub(super) fn note(&mut self, task: &Task, lease: u64) {
        self.given = Some(Given {
            task_id: task.task_id.clone(),
            attempt: task.attempts,
            lease,
        });
        let _ = self.keep();
    }

    /// Nothing is claimed that was not said.
    pub(super) fn forget(&self) {
        // One that stays gives its task once more, if that is not done.
        let _ = std::fs::remove_file(&self.file);
    }

    fn left_behind(&self) -> Option<Self> {
        let file = open_own(&self.file, OpenOptions::new().read(true)).ok()?;
        let text = String::from_utf8(read_bounded(file, MAX_BYTES).ok()?).ok()?;
        let mut words = text.split(' ');
        let request_id = Uuid::try_parse(words.next()?).ok()?;
        let worker = format!("{} {}", words.next()?, words.next()?);
        if worker != self.worker {
            return None;
        }
        let mut given = || {
            Some(Given {
                task_id: words.next()?.to_owned(),
                attempt: words.next()?.parse().ok()?,
                lease: words.next()?.parse().ok()?,
            })
        };
        Some(Self {
            request_id,
            given: given(),
            ..self.clone()
        })
    }

    fn keep(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            make_private_dir(folder)?;
        }
        let given = self.given.as_ref();
        let given = given.map(|it| format!(" {} {} {}", it.task_id, it.attempt, it.lease));
        let text = format!(
            "{} {}{}",
            self.request_id,
            self.worker,
            given.unwrap_or_default()
        );
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        open_own(&self.file, &mut options)?.write_all(text.as_bytes())
    }
}

impl Given {
    /// Whether a worker still has the task by this very claim.
    pub(super) fn stands(&self, task: &Task, worker: &Worker) -> bool {
        let is_running = task.state() == TaskState::Running;
        is_running && task.worker_id == worker.worker_id && task.attempts == self.attempt
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn worker(epoch: u64) -> Worker {
        Worker {
            worker_id: "0190".into(),
            epoch,
            ..Worker::default()
        }
    }

    #[test]
    fn a_claim_that_was_not_said_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spool/one.claim");
        let died = ClaimName::of(&file, &worker(1));
        let next = ClaimName::of(&file, &worker(1));
        assert_eq!(next.request_id, died.request_id);
        next.forget();
        let new = ClaimName::of(&file, &worker(1));
        assert_ne!(new.request_id, died.request_id);
        let registered_anew = ClaimName::of(&file, &worker(2));
        assert_ne!(registered_anew.request_id, new.request_id);
        for torn in ["", "0190", "\u{fffd} 0190 2"] {
            std::fs::write(&file, torn).unwrap();
            let again = ClaimName::of(&file, &worker(2));
            assert_eq!(
                again.request_id,
                ClaimName::of(&file, &worker(2)).request_id
            );
        }
    }

    #[test]
    fn what_a_claim_gave_is_known_while_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one.claim");
        let task = Task {
            task_id: "0191".into(),
            state: TaskState::Running.into(),
            worker_id: "0190".into(),
            attempts: 2,
            ..Task::default()
        };
        ClaimName::of(&file, &worker(1)).note(&task, 42);
        let given = ClaimName::of(&file, &worker(1)).given.unwrap();
        assert_eq!((given.task_id.as_str(), given.lease), ("0191", 42));
        assert!(given.stands(&task, &worker(1)));
        for other in [
            Task {
                attempts: 3,
                ..task.clone()
            },
            Task {
                worker_id: "0192".into(),
                ..task.clone()
            },
            Task {
                state: TaskState::Completed.into(),
                ..task
            },
        ] {
            assert!(!given.stands(&other, &worker(1)));
        }
        std::fs::write(&file, "torn").unwrap();
        assert_eq!(ClaimName::of(&file, &worker(1)).given, None);
    }
}
