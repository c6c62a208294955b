//! What tables and lines say of a worker: its state, its health and its load.

use shim_proto::coordination::v1::{Worker, WorkerState};
use shim_render::words::{worker_health, worker_state};

/// Where a worker is in its life.
pub(super) fn state(worker: &Worker) -> &'static str {
    worker_state(worker.state())
}

/// How well a worker is; "-" once it is gone.
pub(super) fn health(worker: &Worker) -> &'static str {
    match worker.state() {
        WorkerState::Stopped | WorkerState::Dead => "-",
        _ => worker_health(worker.health()),
    }
}

/// How much of a worker's room is taken: "2/3".
pub(super) fn load(worker: &Worker) -> String {
    format!("{}/{}", worker.running, worker.capacity)
}
