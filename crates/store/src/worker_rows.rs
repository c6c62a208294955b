//! Workers as they are stored: a hash for each, with the fields that the scripts of the registry write.

use std::collections::HashMap;

use shim_proto::coordination::v1::{Worker, WorkerHealth, WorkerState};

use super::clock::timestamp;
use super::reply::Reply;
use crate::error::Error;

/// What a worker told of itself; the rest is written by the script.
pub(super) fn registration_fields(worker: &Worker) -> [(&'static str, String); 6] {
    [
        ("name", worker.name.clone()),
        ("kind", worker.kind.to_string()),
        ("capacity", worker.capacity.to_string()),
        ("node", worker.node.clone()),
        ("version", worker.version.clone()),
        ("session", worker.session_id.clone()),
    ]
}

/// A worker as `register_worker` made it.
pub(super) fn registered(worker: Worker, reply: &mut Reply) -> Result<Worker, Error> {
    let (worker_id, epoch) = (reply.take()?, reply.take()?);
    let (now, due) = (reply.take()?, reply.take()?);
    Ok(Worker {
        worker_id,
        epoch,
        state: WorkerState::Idle.into(),
        health: WorkerHealth::Healthy.into(),
        registered_at: Some(timestamp(now)),
        last_heartbeat_at: Some(timestamp(now)),
        due_at: Some(timestamp(due)),
        ..worker
    })
}

/// A worker as it is stored.
pub(super) fn read(worker_id: String, fields: &HashMap<String, String>) -> Result<Worker, Error> {
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let capabilities = text("capabilities");
    Ok(Worker {
        worker_id,
        epoch: number(fields, "epoch")?,
        name: text("name"),
        kind: number(fields, "kind")?,
        capabilities: capabilities.split_whitespace().map(str::to_owned).collect(),
        capacity: number(fields, "capacity")?,
        running: number(fields, "running")?,
        state: number(fields, "state")?,
        health: number(fields, "health")?,
        detail: text("detail"),
        node: text("node"),
        version: text("version"),
        session_id: text("session"),
        registered_at: Some(timestamp(number(fields, "registered")?)),
        last_heartbeat_at: Some(timestamp(number(fields, "beat")?)),
        due_at: Some(timestamp(number(fields, "due")?)),
    })
}

fn number<T: std::str::FromStr>(fields: &HashMap<String, String>, name: &str) -> Result<T, Error> {
    let text = fields.get(name).map(String::as_str).unwrap_or_default();
    text.parse().map_err(|_| {
        tracing::error!(name, "a worker's record is damaged");
        Error::Defect
    })
}
