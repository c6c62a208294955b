//! What tables and lines say of a worker: its state, its health and its load.

use std::io::{self, Write};

use shim_proto::coordination::v1::{Worker, WorkerState};
use shim_render::text::{one_line, short_id};
use shim_render::words::worker_state;

use crate::output::time::now;

/// Where a worker is in its life.
pub(super) fn state(worker: &Worker) -> &'static str {
    worker_state(worker.state())
}

/// How well a worker is; "-" once it is gone.
pub(super) fn health(worker: &Worker) -> String {
    match worker.state() {
        WorkerState::Stopped | WorkerState::Dead => "-".to_owned(),
        _ => shim_render::workers::health(worker, now()),
    }
}

/// What troubles each of these workers, a line for each that tells.
pub(super) fn print_troubles<'a>(
    workers: impl IntoIterator<Item = &'a Worker>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_gone =
        |worker: &&Worker| matches!(worker.state(), WorkerState::Stopped | WorkerState::Dead);
    for worker in workers.into_iter().filter(|worker| !is_gone(worker)) {
        if !worker.detail.is_empty() {
            let id = short_id(&worker.worker_id);
            writeln!(out, "{id}: {}", one_line(&worker.detail, 500))?;
        }
    }
    Ok(())
}

/// How much of a worker's room is taken: "2/3".
pub(super) fn load(worker: &Worker) -> String {
    format!("{}/{}", worker.running, worker.capacity)
}
