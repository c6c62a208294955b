//! Checkpoints of the tasks of this process's workers, from which the next worker of a task goes on.
//!
//! Checkpoints are best effort: without a checkpoint service tasks are done all the same, and a failed save is skipped.

mod handover;
mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_exec::first_line;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{CheckpointState, CheckpointTrigger, SaveCheckpointRequest};
use shim_proto::coordination::v1::Task;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::client::Channel;
use shim_runtime::ids::{CheckpointId, LeaseToken};
use shim_work::{ClaimRef, ProgressUpdate};
use tokio::time::{Instant, timeout};
use tonic::Status;
use uuid::Uuid;

use session::Session;

/// The least time between two checkpoints of a task.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// The longest time that a task waits for its checkpoint.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_secs(2);
/// How many of the last notes are kept for the next worker.
const MAX_NOTES: usize = 50;
/// Bytes of a title.
const MAX_TITLE: usize = 200;

/// Saves and reads checkpoints. Clones share the tracked tasks.
#[derive(Clone)]
pub(crate) struct Checkpointer {
    /// `None` if there is no checkpoint service.
    client: Option<CheckpointServiceClient<Channel>>,
    tasks: Arc<Mutex<HashMap<LeaseToken, TrackedTask>>>,
    background: BackgroundTasks,
}

/// What is known of a running task of this process.
#[derive(Debug, Clone, Default)]
struct TrackedTask {
    task_id: String,
    goal: String,
    project: String,
    /// Opened with the first checkpoint.
    session: Option<Arc<Session>>,
    notes: Vec<String>,
    progress: f64,
    /// Whether something is new since the last checkpoint.
    has_update: bool,
    saved_at: Option<Instant>,
}

impl Checkpointer {
    pub(crate) fn new(channel: Option<Channel>, background: BackgroundTasks) -> Self {
        Self {
            client: channel.map(CheckpointServiceClient::new),
            tasks: Arc::default(),
            background,
        }
    }

    /// Begins to track a task; returns what an earlier worker left of it, as text.
    pub(crate) async fn handover(&self, task: &Task, lease: LeaseToken) -> Option<String> {
        let client = self.client.clone()?;
        self.tasks().insert(lease, TrackedTask::of(task));
        let checkpoint_id = task.checkpoint_id.parse().ok()?;
        let reading = handover::read_handover(client, checkpoint_id);
        match timeout(CHECKPOINT_TIMEOUT, reading).await {
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

    /// Saves what is new about a task, if the last checkpoint is old enough; returns the checkpoint.
    pub(crate) async fn save_if_due(
        &self,
        claim_ref: &ClaimRef,
        update: &ProgressUpdate,
    ) -> Option<CheckpointId> {
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
            Ok(Ok(checkpoint_id)) => checkpoint_id,
            Ok(Err(status)) => {
                tracing::debug!(
                    task = %claim_ref.task_id,
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
        lease: LeaseToken,
        task: TrackedTask,
    ) -> Result<Option<CheckpointId>, Status> {
        let session = match &task.session {
            Some(session) => session.clone(),
            None => {
                let title = first_line(&task.goal, MAX_TITLE);
                let (opener, background) = (client.clone(), &self.background);
                let opened = Session::open(opener, &task.project, &title, background).await?;
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
        let checkpoint = saved.into_inner().checkpoint.unwrap_or_default();
        Ok(checkpoint.id.parse().ok())
    }

    /// Ends the tracking of a task whose claim is over, and its session, so that no recovery proposes it.
    pub(crate) async fn finish(&self, claim_ref: &ClaimRef) {
        let Some(task) = self.tasks().remove(&claim_ref.lease) else {
            return;
        };
        let (Some(client), Some(session)) = (self.client.clone(), task.session) else {
            return;
        };
        let end = session::end(client, session.owned);
        if let Ok(Err(status)) = timeout(CHECKPOINT_TIMEOUT, end).await {
            tracing::debug!("a worker's session stays open: {}", status.message());
        }
    }

    /// Lets go of all sessions, after the workers stopped. A session that did not end becomes interrupted.
    pub(crate) fn close(&self) {
        self.tasks().clear();
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<LeaseToken, TrackedTask>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrackedTask {
    fn of(task: &Task) -> Self {
        Self {
            task_id: task.task_id.clone(),
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

    /// Whether there is a new note and it is time. Numbers alone say nothing to the next worker.
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
        session_id: session.owned.id.into(),
        epoch: session.owned.epoch.0,
        state: Some(CheckpointState {
            current_task: task.goal,
            progress: task.progress,
            completed_steps: task.notes,
            // By this key, recovery knows that the work went on with another worker.
            task_key: format!("task:{}", task.task_id),
            ..CheckpointState::default()
        }),
        trigger: CheckpointTrigger::Periodic.into(),
        ..SaveCheckpointRequest::default()
    }
}
