//! The rules of a worker's fields. A rule returns the typed value.

use prost_types::Timestamp;
use shim_proto::coordination::v1::{WorkerHealth, WorkerKind, WorkerProcesses, WorkerState};
use shim_proto::limits::worker::{
    MAX_BOOT_ID_BYTES, MAX_CAPABILITIES, MAX_CAPABILITY_BYTES, MAX_CAPACITY, MAX_NAMESPACES_BYTES,
    MAX_PROCESSES,
};
use shim_runtime::ids::{Epoch, WorkerId};

use super::fields::Fields;

/// The end of the year 9999, the last that a timestamp of the contract can name.
const LAST_SECOND: i64 = 253_402_300_799;

impl Fields {
    /// A worker's id; required.
    pub(super) fn worker_id(&mut self, id: &str) -> WorkerId {
        self.id("worker_id", id)
    }

    /// The epoch of the worker's registration, which fences its calls; required.
    pub(super) fn epoch(&mut self, epoch: u64) -> Epoch {
        if epoch == 0 {
            self.refuse(
                "epoch",
                "is missing; use the one from the answer to RegisterWorker",
            );
        }
        self.version("epoch", epoch);
        Epoch(epoch)
    }

    /// The kind of executor of a worker; required.
    pub(super) fn worker_kind(&mut self, kind: i32) {
        match WorkerKind::try_from(kind) {
            Ok(WorkerKind::Unspecified) | Err(_) => {
                self.refuse("kind", "must be CHAT, AGENT, COMMAND or ANALYSIS");
            }
            Ok(_) => {}
        }
    }

    /// A state that a heartbeat may report. A worker stops by DeregisterWorker, and only the reaper declares it dead.
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

    /// The state of a filter; unspecified means any.
    pub(super) fn wanted_state(&mut self, state: i32) -> WorkerState {
        WorkerState::try_from(state).unwrap_or_else(|_| {
            self.refuse("state", "is none that a worker may be in");
            WorkerState::Unspecified
        })
    }

    /// The health that a heartbeat reports; healthy if the heartbeat does not say.
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

    /// Until when a worker can do no task; only an unhealthy one has such a time.
    pub(super) fn unfit_until(&mut self, until: Option<&Timestamp>, health: WorkerHealth) {
        let Some(until) = until else { return };
        if health != WorkerHealth::Unhealthy {
            self.refuse(
                "unfit_until",
                "belongs to the health UNHEALTHY; leave it out",
            );
        }
        if !(0..=LAST_SECOND).contains(&until.seconds) || !(0..1_000_000_000).contains(&until.nanos)
        {
            self.refuse("unfit_until", "must be a time from 1970 to 9999");
        }
    }

    /// The processes that a worker lives in, if it tells.
    pub(super) fn processes(&mut self, told: Option<&WorkerProcesses>) {
        let Some(told) = told else { return };
        for (field, text, max) in [
            ("processes.boot_id", &told.boot_id, MAX_BOOT_ID_BYTES),
            (
                "processes.namespaces",
                &told.namespaces,
                MAX_NAMESPACES_BYTES,
            ),
        ] {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
            if text.is_empty() || text.len() > max || !is_plain {
                self.refuse(field, format!("must be 1..{max} of visible ASCII"));
            }
        }
        let processes = &told.processes;
        if !(1..=MAX_PROCESSES).contains(&processes.len()) {
            self.refuse(
                "processes.processes",
                format!("must be 1..{MAX_PROCESSES} processes"),
            );
        }
        if processes
            .iter()
            .any(|process| process.pid == 0 || process.start_ticks == 0)
        {
            self.refuse(
                "processes.processes",
                "must each have a pid and a start time",
            );
        }
    }

    /// A number of tasks.
    pub(super) fn task_count(&mut self, field: &str, tasks: u32) {
        self.at_most(field, tasks.into(), MAX_CAPACITY.into());
    }

    /// The capabilities of a worker, sorted and without repetitions.
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

    /// One capability.
    pub(super) fn capability(&mut self, field: impl Into<String>, capability: &str) {
        self.name(field, capability, MAX_CAPABILITY_BYTES);
    }
}
