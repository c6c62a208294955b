//! What the stand-in remembers, and the rules of ownership it keeps.

use std::collections::{BTreeMap, HashMap};

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::*;
use shim_runtime::service_error::ServiceError;
use tokio::sync::mpsc;
use tonic::{Code, Status};
use uuid::Uuid;

pub(super) type Events = mpsc::Sender<Result<AttachSessionResponse, Status>>;

/// What the stand-in remembers; it outlives a restart of the server.
#[derive(Default)]
pub(in crate::tests) struct Store {
    pub(in crate::tests) sessions: BTreeMap<String, Session>,
    pub(in crate::tests) checkpoints: Vec<(Checkpoint, CheckpointState)>,
    pub(in crate::tests) saves: HashMap<String, Checkpoint>,
    /// The reasons of the detaches that came.
    pub(in crate::tests) detach_reasons: Vec<String>,
    pub(in crate::tests) heartbeats: usize,
    pub(in crate::tests) traces: Vec<String>,
    pub(in crate::tests) restores: Vec<RestoreCheckpointRequest>,
    /// Saves are committed, and then their answer is lost, so many times.
    pub(in crate::tests) lose_answers: usize,
    pub(super) owners: HashMap<String, Events>,
}

impl Store {
    pub(super) fn append(
        &mut self,
        session_id: &str,
        state: CheckpointState,
        trigger: i32,
    ) -> Checkpoint {
        let session = self.sessions.get_mut(session_id).unwrap();
        session.head_number += 1;
        session.current_task.clone_from(&state.current_task);
        let checkpoint = Checkpoint {
            id: Uuid::now_v7().to_string(),
            session_id: session_id.into(),
            number: session.head_number,
            epoch: session.epoch,
            trigger,
            current_task: state.current_task.clone(),
            progress: state.progress,
            created_at: Some(Timestamp::from(std::time::SystemTime::now())),
            ..Checkpoint::default()
        };
        self.checkpoints.push((checkpoint.clone(), state));
        checkpoint
    }

    pub(super) fn session(&self, id: &str) -> Result<Session, Status> {
        self.sessions
            .get(id)
            .cloned()
            .ok_or_else(|| fault(Code::NotFound, "SESSION_NOT_FOUND", "list them"))
    }

    pub(super) fn check_owner(&self, id: &str, epoch: u64) -> Result<(), Status> {
        if self.session(id)?.epoch == epoch {
            Ok(())
        } else {
            Err(stale())
        }
    }

    pub(super) fn newest(
        &self,
        id: &str,
        session_id: &str,
    ) -> Result<(Checkpoint, CheckpointState), Status> {
        let matches = |c: &Checkpoint| {
            if id.is_empty() {
                c.session_id == session_id
            } else {
                c.id == id
            }
        };
        let found = self
            .checkpoints
            .iter()
            .rev()
            .find(|(checkpoint, _)| matches(checkpoint));
        found
            .cloned()
            .ok_or_else(|| fault(Code::NotFound, "CHECKPOINT_NOT_FOUND", "list them"))
    }

    pub(super) fn attach(&mut self, attach: &Attach, events: Events) -> Result<u64, Status> {
        let session = self.session(&attach.session_id)?;
        let adopts = attach.epoch == 0 && session.status() == SessionStatus::Interrupted;
        if attach.epoch == 0 && !adopts {
            return Err(fault(
                Code::FailedPrecondition,
                "SESSION_OWNED",
                "close that client",
            ));
        }
        if !adopts && attach.epoch != session.epoch {
            return Err(stale());
        }
        let session = self.sessions.get_mut(&attach.session_id).unwrap();
        session.epoch += u64::from(adopts);
        session.set_status(SessionStatus::Active);
        session.attached = true;
        session.client = attach.client.clone();
        self.owners.insert(attach.session_id.clone(), events);
        Ok(session.epoch)
    }
}

pub(super) fn fault(code: Code, reason: &'static str, remedy: &str) -> Status {
    ServiceError {
        code,
        reason,
        message: format!("refused: {reason}"),
        remedy: Some(remedy.into()),
        retry_after: None,
    }
    .into()
}

fn stale() -> Status {
    fault(Code::FailedPrecondition, "STALE_OWNER", "restore it again")
}
