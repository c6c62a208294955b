//! The tasks that sessions of this process have claimed: a convenience, so that nobody has to repeat task and lease.
//!
//! The store decides who has a task; what is remembered here may be out of date, and a refused report corrects it. A
//! session takes one task at a time, so a newer claim replaces the older one. Checkpoints of a session that has a task
//! are told to it, so that whoever takes it next can go on from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shim_proto::checkpoint::v1::Checkpoint;
use shim_proto::worker::v1::{ClaimTaskRequest, ReportProgressRequest};
use shim_runtime::fault::explain;
use tonic::Status;

use crate::config::clipped;
use crate::services::Services;

/// The contract's limit on what a worker says it does now.
const MAX_NOTE_BYTES: usize = 1_024;

/// A task a session has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) task_id: String,
    pub(crate) lease: u64,
    /// The last checkpoint saved for it; "" for none.
    pub(crate) checkpoint_id: String,
}

/// The claims of this process's sessions.
pub(crate) struct Claims {
    services: Arc<Services>,
    desks: Mutex<HashMap<String, Desk>>,
}

/// What one session works at.
#[derive(Default)]
struct Desk {
    held: Option<Held>,
    /// A checkpoint its task was not told of yet.
    untold: Option<ReportProgressRequest>,
    /// A claim whose answer never came: sent again, it brings a task taken for it to light.
    asked: Option<ClaimTaskRequest>,
}

impl Claims {
    pub(crate) fn new(services: Arc<Services>) -> Self {
        Self {
            services,
            desks: Mutex::default(),
        }
    }

    /// The claim to send for a session: this one, or an earlier one that was never answered.
    pub(crate) fn ask(&self, request: ClaimTaskRequest) -> ClaimTaskRequest {
        let mut desks = self.desks();
        let desk = desks.entry(request.worker_id.clone()).or_default();
        desk.asked.get_or_insert(request).clone()
    }

    /// An answer to the claim came: a task, none, or a refusal.
    pub(crate) fn answered(&self, session_id: &str, held: Option<Held>) {
        let mut desks = self.desks();
        let desk = desks.entry(session_id.to_owned()).or_default();
        desk.asked = None;
        if held.is_some() {
            *desk = Desk {
                held,
                ..Desk::default()
            };
        }
    }

    /// The task the session has, as far as it is known here.
    pub(crate) fn held(&self, session_id: &str) -> Option<Held> {
        self.desks().get(session_id)?.held.clone()
    }

    /// How many tasks the session has.
    pub(crate) fn count(&self, session_id: &str) -> u32 {
        self.held(session_id).map_or(0, |_| 1)
    }

    /// The claim is over, whoever ended it.
    pub(crate) fn ended(&self, session_id: &str, lease: u64) {
        let mut desks = self.desks();
        if let Some(desk) = desks.get_mut(session_id)
            && desk.held.as_ref().is_some_and(|held| held.lease == lease)
        {
            *desk = Desk::default();
        }
    }

    /// The session is worked on elsewhere.
    pub(crate) fn forget(&self, session_id: &str) {
        self.desks().remove(session_id);
    }

    /// A session that has a task saved a checkpoint: it belongs to the task. Returns the task.
    pub(crate) fn saved(&self, checkpoint: &Checkpoint) -> Option<Held> {
        let mut desks = self.desks();
        let desk = desks.get_mut(&checkpoint.session_id)?;
        let held = desk.held.as_mut()?;
        held.checkpoint_id.clone_from(&checkpoint.id);
        desk.untold = Some(ReportProgressRequest {
            task_id: held.task_id.clone(),
            lease: held.lease,
            progress: checkpoint.progress,
            note: clipped(&checkpoint.current_task, MAX_NOTE_BYTES),
            checkpoint_id: checkpoint.id.clone(),
            usage: None,
        });
        Some(held.clone())
    }

    /// Tells the task of its session's checkpoint, if it was not told yet. What fails is tried again with the next
    /// heartbeat; a refusal that ends the claim is returned.
    pub(crate) async fn tell(&self, session_id: &str) -> Result<(), Status> {
        let untold = self
            .desks()
            .get(session_id)
            .and_then(|desk| desk.untold.clone());
        let Some(report) = untold else {
            return Ok(());
        };
        let lease = report.lease;
        match self.services.report_aside(report.clone()).await {
            Ok(_) => {
                if let Some(desk) = self.desks().get_mut(session_id)
                    && desk.untold.as_ref() == Some(&report)
                {
                    desk.untold = None;
                }
                Ok(())
            }
            Err(status) if ends_a_claim(&status) => {
                self.ended(session_id, lease);
                Err(status)
            }
            Err(status) => {
                tracing::debug!(code = ?status.code(), "a task was not told of its checkpoint: {}", status.message());
                Ok(())
            }
        }
    }

    fn desks(&self) -> MutexGuard<'_, HashMap<String, Desk>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the refusal says that the claim does not stand any more.
pub(crate) fn ends_a_claim(status: &Status) -> bool {
    matches!(
        explain(status).reason.as_str(),
        "STALE_LEASE" | "TASK_NOT_FOUND"
    )
}
