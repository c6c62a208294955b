//! What the headers of checkpoints say of tasks, remembered for one database.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use shim_proto::checkpoint::v1::{Checkpoint, Session, SessionTask};

/// So many are remembered, of at most half a kilobyte each; the oldest half goes first.
const MAX_REMEMBERED: usize = 4_096;

/// The row of a session and the number of a checkpoint.
type CheckpointKey = (i64, u64);

/// What the header of a task's newest checkpoint says of the task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskText {
    current_task: String,
    progress: f64,
    checkpoint_id: String,
    saved_at: Option<prost_types::Timestamp>,
}

impl TaskText {
    pub(crate) fn of_header(header: Checkpoint) -> Self {
        Self {
            current_task: header.current_task,
            progress: header.progress,
            checkpoint_id: header.id,
            saved_at: header.created_at,
        }
    }

    /// Of the task of a session's newest checkpoint.
    pub(crate) fn of_head(session: &Session) -> Self {
        Self {
            current_task: session.current_task.clone(),
            progress: session.progress,
            checkpoint_id: session.head_checkpoint_id.clone(),
            saved_at: session.last_checkpoint_at,
        }
    }

    pub(crate) fn fill(self, task: &mut SessionTask) {
        task.current_task = self.current_task;
        task.progress = self.progress;
        task.checkpoint_id = self.checkpoint_id;
        task.saved_at = self.saved_at;
    }

    pub(super) fn is_of(&self, task: &SessionTask) -> bool {
        self.checkpoint_id == task.checkpoint_id
            && self.current_task == task.current_task
            && self.saved_at == task.saved_at
            && self.progress.to_bits() == task.progress.to_bits()
    }
}

/// What one database's headers say of tasks, as far as it was asked for.
#[derive(Debug, Default)]
pub(crate) struct TextMemory(Mutex<Generations>);

/// The younger half and the older one.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<CheckpointKey, TaskText>,
    old: HashMap<CheckpointKey, TaskText>,
}

impl TextMemory {
    pub(super) fn get(&self, key: CheckpointKey) -> Option<TaskText> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = texts.young.get(&key) {
            return Some(found.clone());
        }
        let found = texts.old.remove(&key)?;
        texts.put(key, found.clone());
        Some(found)
    }

    pub(super) fn put(&self, key: CheckpointKey, text: TaskText) {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.put(key, text);
    }
}

impl Generations {
    fn put(&mut self, key: CheckpointKey, text: TaskText) {
        if self.young.len() >= MAX_REMEMBERED / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, text);
    }
}
