//! Which conversation an agent had with which task, so that the next attempt on this machine goes on with it. A record is a
//! hint: without it the attempt begins anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use shim_runtime::ids::TaskId;
use uuid::Uuid;

/// A record is longer than no path.
const MAX_RECORD_BYTES: u64 = 64 << 10;
/// The mode of the folder: paths are nobody else's business.
const PRIVATE: u32 = 0o700;

/// The records of one data folder, a file for each task and executor. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Conversations {
    folder: Arc<Path>,
}

/// A conversation that can be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) conversation: Uuid,
    /// Where the agent worked: it finds its conversations by that.
    pub(super) folder: PathBuf,
}

impl Conversations {
    /// Makes the folder, and removes records that were written longer ago than `keep`.
    pub(super) fn open(folder: &Path, keep: Duration) -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true).mode(PRIVATE).create(folder)?;
        prune(folder, keep);
        Ok(Self {
            folder: folder.into(),
        })
    }

    /// The conversation that an executor had with a task in this folder.
    pub(super) async fn find(&self, executor: &str, task: TaskId, folder: &Path) -> Option<Uuid> {
        let path = self.path(executor, task);
        let length = tokio::fs::metadata(&path).await.ok()?.len();
        if length > MAX_RECORD_BYTES {
            return None;
        }
        let record = tokio::fs::read_to_string(&path).await.ok()?;
        let (conversation, kept) = record.split_once('\n')?;
        let is_here = kept == folder.to_string_lossy();
        conversation.parse().ok().filter(|_| is_here)
    }

    /// Notes a conversation before it begins, so that it is also known if the worker dies within it.
    pub(super) async fn keep(&self, executor: &str, task: TaskId, kept: &Kept) {
        let path = self.path(executor, task);
        let record = format!("{}\n{}", kept.conversation, kept.folder.to_string_lossy());
        // A record that is written by half is none, and costs no more than the conversation.
        if let Err(why) = tokio::fs::write(&path, record).await {
            tracing::warn!(%task, %why, "the next attempt cannot go on with this conversation");
        }
    }

    /// The next attempt begins anew.
    pub(super) async fn forget(&self, executor: &str, task: TaskId) {
        let _ = tokio::fs::remove_file(self.path(executor, task)).await;
    }

    fn path(&self, executor: &str, task: TaskId) -> PathBuf {
        self.folder.join(format!("{task}-{executor}"))
    }
}

/// Removes old records. One that cannot be removed is tried again at the next start.
fn prune(folder: &Path, keep: Duration) {
    let Some(before) = SystemTime::now().checked_sub(keep) else {
        return;
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let written = entry.metadata().and_then(|it| it.modified());
        if written.is_ok_and(|written| written < before) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_conversation_is_found_in_its_folder_until_it_is_forgotten_or_old() {
        let folder = tempfile::tempdir().unwrap();
        let open = |keep| Conversations::open(folder.path(), keep).unwrap();
        let conversations = open(Duration::from_secs(60));
        let (task, project) = (TaskId::new(), Path::new("/project"));
        let kept = Kept {
            conversation: Uuid::from_u128(1),
            folder: project.to_owned(),
        };
        assert_eq!(conversations.find("claude", task, project).await, None);
        conversations.keep("claude", task, &kept).await;
        for (executor, task, folder, expected) in [
            ("claude", task, "/project", Some(kept.conversation)),
            ("other", task, "/project", None),
            ("claude", TaskId::new(), "/project", None),
            ("claude", task, "/elsewhere", None),
        ] {
            let found = conversations.find(executor, task, Path::new(folder)).await;
            assert_eq!(found, expected, "{executor} {folder}");
        }
        std::fs::write(conversations.path("torn", task), "0199d5a0-7c3e").unwrap();
        assert_eq!(conversations.find("torn", task, project).await, None);

        conversations.forget("claude", task).await;
        assert_eq!(conversations.find("claude", task, project).await, None);
        conversations.keep("claude", task, &kept).await;
        let reopened = open(Duration::ZERO);
        assert_eq!(reopened.find("claude", task, project).await, None);
    }
}
