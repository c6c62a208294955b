//! The tasks that sessions of this process have claimed: a convenience, so that the model need not repeat task and lease.
//!
//! The store decides which worker has a task; this memory may be out of date, and a refused report corrects it. A
//! session takes one task at a time, so a newer claim replaces the older one. The checkpoints of a session that has a
//! task are reported to that task, so that its next worker can go on from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shim_proto::checkpoint::v1::Checkpoint;
use shim_proto::limits::task::MAX_NOTE_BYTES;
use shim_proto::reasons::{STALE_LEASE, TASK_NOT_FOUND};
use shim_proto::worker::v1::{ClaimTaskRequest, ReportProgressRequest};
use shim_runtime::service_error::decode;
use tonic::Status;

use crate::config::clipped;
use crate::services::Services;

/// A task a session has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimedTask {
    pub(crate) task_id: String,
    pub(crate) lease: u64,
    /// The last checkpoint saved for it; "" for none.
    pub(crate) checkpoint_id: String,
}

/// Ended tasks of a session that its checkpoints were not told of yet.
const MAX_ENDED: usize = 100;
/// Begins the key under which the checkpoints of a shared task are saved; the task's id follows.
const KEY_PREFIX: &str = "task:";

/// The key under which the checkpoints of a shared task are saved.
pub(crate) fn task_key(task_id: &str) -> String {
    format!("{KEY_PREFIX}{task_id}")
}

/// The shared task of a key; `None` if the key names none.
pub(crate) fn task_id_of(task_key: &str) -> Option<&str> {
    task_key.strip_prefix(KEY_PREFIX)
}

/// The claims of this process's sessions.
pub(crate) struct Claims {
    services: Arc<Services>,
    states: Mutex<HashMap<String, ClaimState>>,
}

/// What one session works at.
#[derive(Default)]
struct ClaimState {
    current: Option<ClaimedTask>,
    /// The claim before, if the service ended it: a late report on it is told why.
    lost: Option<ClaimedTask>,
    /// A checkpoint that is not reported to its task yet.
    pending_report: Option<ReportProgressRequest>,
    /// A claim whose answer never came: sent again, it brings a task taken for it to light.
    pending_request: Option<ClaimTaskRequest>,
    /// Tasks whose claims ended since the last checkpoint.
    ended: Vec<String>,
}

impl ClaimState {
    /// The state of a session that has this task, or none; what ended before stays known.
    fn begin(&mut self, current: Option<ClaimedTask>) {
        let before = self.current.take().map(|task| task.task_id);
        let ended = std::mem::take(&mut self.ended).into_iter().chain(before);
        let is_current = |task_id: &String| {
            current
                .as_ref()
                .is_some_and(|task| task.task_id == *task_id)
        };
        let mut ended: Vec<String> = ended.filter(|task_id| !is_current(task_id)).collect();
        ended.drain(..ended.len().saturating_sub(MAX_ENDED));
        *self = Self {
            current,
            ended,
            ..Self::default()
        };
    }
}

impl Claims {
    pub(crate) fn new(services: Arc<Services>) -> Self {
        Self {
            services,
            states: Mutex::default(),
        }
    }

    /// The claim to send for a session: this one, or an earlier one that was never answered.
    pub(crate) fn begin_claim(&self, request: ClaimTaskRequest) -> ClaimTaskRequest {
        let mut states = self.states();
        let state = states.entry(request.worker_id.clone()).or_default();
        state.pending_request.get_or_insert(request).clone()
    }

    /// An answer to the claim came: a task, none, or a refusal.
    pub(crate) fn finish_claim(&self, session_id: &str, current: Option<ClaimedTask>) {
        let mut states = self.states();
        let state = states.entry(session_id.to_owned()).or_default();
        state.pending_request = None;
        if current.is_some() {
            state.begin(current);
        }
    }

    /// The task the session has, as far as it is known here.
    pub(crate) fn current_task(&self, session_id: &str) -> Option<ClaimedTask> {
        self.states().get(session_id)?.current.clone()
    }

    /// The claim that the service ended last, if the session has no other since: its task was called off, or given to
    /// another worker.
    pub(crate) fn lost_task(&self, session_id: &str) -> Option<ClaimedTask> {
        self.states().get(session_id)?.lost.clone()
    }

    /// How many tasks the session has.
    pub(crate) fn count(&self, session_id: &str) -> u32 {
        self.current_task(session_id).map_or(0, |_| 1)
    }

    /// The claim is over, for any reason.
    pub(crate) fn end_claim(&self, session_id: &str, lease: u64) {
        let mut states = self.states();
        if let Some(state) = states.get_mut(session_id)
            && state
                .current
                .as_ref()
                .is_some_and(|current| current.lease == lease)
        {
            state.begin(None);
        }
    }

    /// The tasks that the session had and that its checkpoints were not told of.
    pub(crate) fn ended_tasks(&self, session_id: &str) -> Vec<String> {
        let states = self.states();
        states
            .get(session_id)
            .map(|state| state.ended.clone())
            .unwrap_or_default()
    }

    /// A checkpoint was saved that says that these tasks are over.
    pub(crate) fn forget_ended(&self, session_id: &str, told: &[String]) {
        if let Some(state) = self.states().get_mut(session_id) {
            state.ended.retain(|task_id| !told.contains(task_id));
        }
    }

    /// The service refused a report because the claim is over.
    pub(crate) fn lose_claim(&self, session_id: &str, lease: u64) {
        let mut states = self.states();
        if let Some(state) = states.get_mut(session_id)
            && let Some(current) = state.current.take_if(|current| current.lease == lease)
        {
            *state = ClaimState {
                lost: Some(current),
                ..ClaimState::default()
            };
        }
    }

    /// The session is worked on elsewhere.
    pub(crate) fn forget(&self, session_id: &str) {
        self.states().remove(session_id);
    }

    /// A session that has a task saved a checkpoint: it belongs to the task. Returns the task.
    pub(crate) fn record_checkpoint(&self, checkpoint: &Checkpoint) -> Option<ClaimedTask> {
        let mut states = self.states();
        let state = states.get_mut(&checkpoint.session_id)?;
        let current = state.current.as_mut()?;
        current.checkpoint_id.clone_from(&checkpoint.id);
        state.pending_report = Some(ReportProgressRequest {
            task_id: current.task_id.clone(),
            lease: current.lease,
            progress: checkpoint.progress,
            note: clipped(&checkpoint.current_task, MAX_NOTE_BYTES),
            checkpoint_id: checkpoint.id.clone(),
            usage: None,
        });
        Some(current.clone())
    }

    /// Reports the session's newest checkpoint to its task, unless that was done. A report that fails is sent again with
    /// the next heartbeat; a refusal that ends the claim is returned.
    pub(crate) async fn report_checkpoint(&self, session_id: &str) -> Result<(), Status> {
        let pending_report = self
            .states()
            .get(session_id)
            .and_then(|state| state.pending_report.clone());
        let Some(report) = pending_report else {
            return Ok(());
        };
        let lease = report.lease;
        match self.services.try_report_progress(report.clone()).await {
            Ok(_) => {
                if let Some(state) = self.states().get_mut(session_id)
                    && state.pending_report.as_ref() == Some(&report)
                {
                    state.pending_report = None;
                }
                Ok(())
            }
            Err(status) if ends_claim(&status) => {
                self.lose_claim(session_id, lease);
                Err(status)
            }
            Err(status) => {
                tracing::debug!(code = ?status.code(), "a task was not told of its checkpoint: {}", status.message());
                Ok(())
            }
        }
    }

    fn states(&self) -> MutexGuard<'_, HashMap<String, ClaimState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the refusal says that the claim does not stand any more.
pub(crate) fn ends_claim(status: &Status) -> bool {
    matches!(decode(status).reason.as_str(), STALE_LEASE | TASK_NOT_FOUND)
}
