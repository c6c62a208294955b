//! What workers of this process remember of their tasks: checkpoints, so that whoever gets a task next goes on with it.
//!
//! It is a help and nothing more: without a checkpoint service tasks are done all the same, and a save that fails is left
//! out.

mod handover;
mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{CheckpointState, CheckpointTrigger, SaveCheckpointRequest};
use shim_proto::coordination::v1::Task;
use shim_runtime::client::Channel;
use tokio::time::{Instant, timeout};
use tonic::Status;
use uuid::Uuid;

use crate::executor::{ProgressUpdate, first_line};
use crate::run_loop::ClaimRef;
use session::Session;

/// A checkpoint is saved when something new was told, and no more often than this.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// A task does not wait for its checkpoint longer than this.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_secs(2);
/// What an agent said last, kept for the next worker.
const MAX_NOTES: usize = 50;
/// Bytes of a title.
const MAX_TITLE: usize = 200;

/// Saves and reads checkpoints. Clones share what they remember.
#[derive(Clone)]
pub(crate) struct Checkpointer {
    /// `None` if there is no checkpoint service.
    client: Option<CheckpointServiceClient<Channel>>,
    /// By lease, which no two claims share.
    tasks: Arc<Mutex<HashMap<u64, TrackedTask>>>,
}

/// What is remembered of a task of this process.
#[derive(Debug, Clone, Default)]
struct TrackedTask {
    goal: String,
    project: String,
    /// Opened with the first checkpoint.
    session: Option<Arc<Session>>,
    notes: Vec<String>,
    progress: f64,
    /// Something was told since the last checkpoint.
    has_update: bool,
    saved_at: Option<Instant>,
}

impl Checkpointer {
    pub(crate) fn new(channel: Option<Channel>) -> Self {
        Self {
            client: channel.map(CheckpointServiceClient::new),
            tasks: Arc::default(),
        }
    }

    /// Begins to remember a task; tells what an earlier worker left of it.
    pub(crate) async fn handover(&self, task: &Task, lease: u64) -> Option<String> {
        let client = self.client.clone()?;
        self.tasks().insert(lease, TrackedTask::of(task));
        if task.checkpoint_id.is_empty() {
            return None;
        }
        let left = timeout(
            CHECKPOINT_TIMEOUT,
            handover::read_handover(client, &task.checkpoint_id),
        )
        .await;
        match left {
            Ok(Ok(left)) => Some(left),
            Ok(Err(status)) => {
                tracing::warn!(
                    task = task.task_id,
                    "its checkpoint cannot be read: {}",
                    status.message()
                );
                None
            }
            Err(_) => {
                tracing::warn!(task = task.task_id, "its checkpoint came too late");
                None
            }
        }
    }

    /// Saves what is new about a task, from time to time; tells the checkpoint.
    pub(crate) async fn save_if_due(
        &self,
        claim_ref: &ClaimRef,
        update: &ProgressUpdate,
    ) -> Option<String> {
        let client = self.client.clone()?;
        let now = {
            let mut tasks = self.tasks();
            let task = tasks.get_mut(&claim_ref.lease)?;
            task.apply(update);
            if !task.is_worth_saving() {
                return None;
            }
            task.saved_at = Some(Instant::now());
            task.clone()
        };
        match timeout(CHECKPOINT_TIMEOUT, self.save(client, claim_ref.lease, now)).await {
            Ok(Ok(checkpoint_id)) => Some(checkpoint_id),
            Ok(Err(status)) => {
                tracing::debug!(
                    task = claim_ref.task_id,
                    "no checkpoint: {}",
                    status.message()
                );
                None
            }
            Err(_) => None,
        }
    }

    async fn save(
        &self,
        mut client: CheckpointServiceClient<Channel>,
        lease: u64,
        task: TrackedTask,
    ) -> Result<String, Status> {
        let session = match &task.session {
            Some(session) => session.clone(),
            None => {
                let title = first_line(&task.goal, MAX_TITLE);
                let opened = Session::open(client.clone(), &task.project, &title).await?;
                let opened = Arc::new(opened);
                if let Some(kept) = self.tasks().get_mut(&lease) {
                    kept.session = Some(opened.clone());
                }
                opened
            }
        };
        let saved = client.save_checkpoint(save_request(&session, task)).await?;
        if let Some(kept) = self.tasks().get_mut(&lease) {
            kept.has_update = false;
        }
        Ok(saved.into_inner().checkpoint.unwrap_or_default().id)
    }

    /// The task is over here: its session ends, and is not proposed to anybody.
    pub(crate) async fn finish(&self, claim_ref: &ClaimRef) {
        let Some(task) = self.tasks().remove(&claim_ref.lease) else {
            return;
        };
        let (Some(client), Some(session)) = (self.client.clone(), task.session) else {
            return;
        };
        let end = session::end(client, &session.id, session.epoch);
        if let Ok(Err(status)) = timeout(CHECKPOINT_TIMEOUT, end).await {
            tracing::debug!("a worker's session stays open: {}", status.message());
        }
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<u64, TrackedTask>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrackedTask {
    fn of(task: &Task) -> Self {
        Self {
            goal: task.goal.clone(),
            project: if task.workspace.is_empty() {
                "tasks".to_owned()
            } else {
                task.workspace.clone()
            },
            ..Self::default()
        }
    }

    fn apply(&mut self, update: &ProgressUpdate) {
        if let Some(note) = update.note.clone().filter(|note| !note.is_empty()) {
            self.has_update = true;
            self.notes.push(note);
            let excess = self.notes.len().saturating_sub(MAX_NOTES);
            self.notes.drain(..excess);
        }
        self.progress = update.progress.unwrap_or(self.progress);
    }

    /// Numbers alone say nothing to the next worker.
    fn is_worth_saving(&self) -> bool {
        let is_time = self
            .saved_at
            .is_none_or(|saved| saved.elapsed() >= SAVE_EVERY);
        is_time && self.has_update
    }
}

fn save_request(session: &Session, task: TrackedTask) -> SaveCheckpointRequest {
    SaveCheckpointRequest {
        request_id: Uuid::now_v7().to_string(),
        session_id: session.id.clone(),
        epoch: session.epoch,
        state: Some(CheckpointState {
            current_task: task.goal,
            progress: task.progress,
            completed_steps: task.notes,
            ..CheckpointState::default()
        }),
        trigger: CheckpointTrigger::Periodic.into(),
        carry_over: false,
    }
}
