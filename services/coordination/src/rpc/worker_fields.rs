//! The rules of a worker's fields.

use shim_proto::coordination::v1::{WorkerHealth, WorkerKind, WorkerState};
use shim_runtime::ids::WorkerId;

use shim_proto::limits::worker::{MAX_CAPABILITIES, MAX_CAPABILITY_BYTES, MAX_CAPACITY};
pub(super) use shim_proto::limits::worker::{
    MAX_DETAIL_BYTES, MAX_NAME_BYTES, MAX_NODE_BYTES, MAX_VERSION_BYTES,
};

use super::fields::Fields;

impl Fields {
    /// A worker's id, in the one form it is stored in.
    pub(super) fn worker_id(&mut self, id: &str) -> WorkerId {
        self.id("worker_id", id)
    }

    /// What fences a worker's calls.
    pub(super) fn epoch(&mut self, epoch: u64) {
        if epoch == 0 {
            self.refuse(
                "epoch",
                "is missing; use the one from the answer to RegisterWorker",
            );
        }
        self.version("epoch", epoch);
    }

    /// What executes a worker's tasks.
    pub(super) fn worker_kind(&mut self, kind: i32) {
        match WorkerKind::try_from(kind) {
            Ok(WorkerKind::Unspecified) | Err(_) => {
                self.refuse("kind", "must be CHAT, AGENT, COMMAND or ANALYSIS");
            }
            Ok(_) => {}
        }
    }

    /// A state that a worker may tell of itself: going is not told by beats.
    pub(super) fn reported_state(&mut self, state: i32) -> WorkerState {
        match WorkerState::try_from(state) {
            Ok(WorkerState::Stopped | WorkerState::Dead) | Err(_) => {
                self.refuse(
                    "state",
                    "must be STARTING, IDLE, BUSY, DRAINING or left out",
                );
                WorkerState::Unspecified
            }
            Ok(state) => state,
        }
    }

    /// A state to look for.
    pub(super) fn wanted_state(&mut self, state: i32) -> WorkerState {
        WorkerState::try_from(state).unwrap_or_else(|_| {
            self.refuse("state", "is none that a worker may be in");
            WorkerState::Unspecified
        })
    }

    /// How well a worker is; well, if it does not say.
    pub(super) fn health(&mut self, health: i32) -> WorkerHealth {
        match WorkerHealth::try_from(health) {
            Ok(WorkerHealth::Unspecified) => WorkerHealth::Healthy,
            Ok(health) => health,
            Err(_) => {
                self.refuse("health", "must be HEALTHY, DEGRADED, UNHEALTHY or left out");
                WorkerHealth::Healthy
            }
        }
    }

    /// A number of tasks.
    pub(super) fn task_count(&mut self, field: &str, tasks: u32) {
        self.at_most(field, tasks.into(), MAX_CAPACITY.into());
    }

    /// What a worker can do, sorted and each once.
    pub(super) fn capabilities(&mut self, given: Vec<String>) -> Vec<String> {
        let mut capabilities = given;
        if self.list("capabilities", capabilities.len(), MAX_CAPABILITIES) {
            for (i, capability) in capabilities.iter().enumerate() {
                self.capability(format!("capabilities[{i}]"), capability);
            }
        }
        capabilities.sort_unstable();
        capabilities.dedup();
        capabilities
    }

    /// One thing that a worker can do.
    pub(super) fn capability(&mut self, field: impl Into<String>, capability: &str) {
        self.name(field, capability, MAX_CAPABILITY_BYTES);
    }
}
