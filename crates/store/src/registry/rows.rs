//! Workers as they are stored: a hash for each, with the fields that the scripts of the registry write.

use std::collections::HashMap;

use serde::Deserialize;
use shim_proto::coordination::v1::{Worker, WorkerHealth, WorkerState};
use shim_runtime::ids::Epoch;

use super::processes;
use crate::clock::timestamp;
use crate::error::Error;
use crate::script_values::{Pairs, as_text};

/// The hash of a worker.
pub(super) type StoredFields = Pairs<String, String>;

/// A worker as `register_worker` made it.
#[derive(Deserialize)]
pub(super) struct RegisteredFields {
    worker_id: String,
    #[serde(with = "as_text")]
    epoch: Epoch,
    now_ms: i64,
    due_ms: i64,
}

impl RegisteredFields {
    /// The worker that asked to be registered, with what the script added.
    pub(super) fn worker(self, worker: Worker) -> Worker {
        Worker {
            worker_id: self.worker_id,
            epoch: self.epoch.0,
            state: WorkerState::Idle.into(),
            health: WorkerHealth::Healthy.into(),
            registered_at: Some(timestamp(self.now_ms)),
            last_heartbeat_at: Some(timestamp(self.now_ms)),
            due_at: Some(timestamp(self.due_ms)),
            ..worker
        }
    }
}

/// A worker as it is stored.
pub(super) fn read(worker_id: String, Pairs(fields): StoredFields) -> Result<Worker, Error> {
    let mut fields: HashMap<String, String> = fields.into_iter().collect();
    let mut text = |name: &str| fields.remove(name).unwrap_or_default();
    let capabilities = text("capabilities");
    // Records of older versions lack it; an empty text is none.
    let processes = processes::read(&text("processes"));
    let unfit_until = text("unfit_until").parse().ok().map(timestamp);
    Ok(Worker {
        worker_id,
        unfit_until,
        processes,
        name: text("name"),
        capabilities: capabilities.split_whitespace().map(str::to_owned).collect(),
        detail: text("detail"),
        node: text("node"),
        version: text("version"),
        session_id: text("session"),
        epoch: number(&fields, "epoch")?,
        kind: number(&fields, "kind")?,
        capacity: number(&fields, "capacity")?,
        running: number(&fields, "running")?,
        state: number(&fields, "state")?,
        health: number(&fields, "health")?,
        registered_at: Some(timestamp(number(&fields, "registered")?)),
        last_heartbeat_at: Some(timestamp(number(&fields, "beat")?)),
        due_at: Some(timestamp(number(&fields, "due")?)),
    })
}

fn number<T: std::str::FromStr>(fields: &HashMap<String, String>, name: &str) -> Result<T, Error> {
    let text = fields.get(name).map(String::as_str).unwrap_or_default();
    text.parse().map_err(|_| {
        tracing::error!(name, "a worker's record is damaged");
        Error::Defect
    })
}
