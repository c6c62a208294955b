//! What the services answer, as whole JSON for resources. Ids are whole, times are RFC 3339, unset is left out.

mod fields;
mod tasks;

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, FileState, GitState, Interruption, Session, SessionTask,
};
use shim_proto::coordination::v1::Worker;
use shim_render::{session_tasks, time, words};

use fields::{set_if, set_list};

pub(crate) use fields::object;
pub(crate) use tasks::{ShownResult, missing, queue, result, subtask, task};

pub(crate) fn session(session: &Session) -> Value {
    let mut value = json!({
        "session_id": session.id,
        "project": session.project,
        "status": words::session_status(session.status()),
        "attached": session.attached,
        "epoch": session.epoch,
        "current_task": session.current_task,
        "progress": session.progress,
        "open_steps": session.open_steps,
        "checkpoints": session.head_number,
        "risk_level": words::risk_level(session.risk_level()),
        "opened_at": time::rfc3339(session.opened_at.as_ref()),
        "updated_at": time::rfc3339(session.updated_at.as_ref()),
    });
    set_if(&mut value, "title", &session.title);
    for (name, at) in [
        ("last_checkpoint_at", &session.last_checkpoint_at),
        ("dismissed_at", &session.dismissed_at),
        ("ended_at", &session.ended_at),
    ] {
        set_if(&mut value, name, &time::rfc3339(at.as_ref()));
    }
    let origin = &session.forked_from_checkpoint_id;
    set_if(&mut value, "forked_from_checkpoint_id", origin);
    if let Some(client) = &session.client {
        value["client"] =
            json!({"name": client.name, "version": client.version, "hostname": client.hostname});
    }
    if let Some(interruption_) = &session.interruption {
        value["interruption"] = interruption(interruption_);
    }
    let mut others = session_tasks::open(session);
    others.retain(|task| task.checkpoint_number != session.head_number);
    if !others.is_empty() {
        value["other_open_tasks"] = others.iter().map(session_task).collect();
    }
    value
}

/// A task of a session.
pub(crate) fn session_task(task: &SessionTask) -> Value {
    json!({
        "task_key": task.task_key,
        "current_task": task.current_task,
        "progress": task.progress,
        "open_steps": task.open_steps,
        "checkpoint": task.checkpoint_number,
        "checkpoint_id": task.checkpoint_id,
        "saved_at": time::rfc3339(task.saved_at.as_ref()),
    })
}

pub(crate) fn git(git: &GitState) -> Value {
    let mut value = json!({"head": git.head, "branch": git.branch});
    if let Some(tree) = &git.work_tree {
        value["uncommitted_files"] = tree.changed_files.into();
    }
    value
}

pub(crate) fn interruption(interruption: &Interruption) -> Value {
    json!({
        "cause": words::interruption_cause(interruption.cause()),
        "confidence": interruption.confidence,
        "evidence": interruption.evidence,
        "at": time::rfc3339(interruption.at.as_ref()),
    })
}

pub(crate) fn checkpoint(checkpoint: &Checkpoint) -> Value {
    let mut value = json!({
        "checkpoint_id": checkpoint.id,
        "session_id": checkpoint.session_id,
        "number": checkpoint.number,
        "trigger": words::checkpoint_trigger(checkpoint.trigger()),
        "created_at": time::rfc3339(checkpoint.created_at.as_ref()),
        "current_task": checkpoint.current_task,
        "progress": checkpoint.progress,
        "state_bytes": checkpoint.state_bytes,
    });
    set_if(&mut value, "summary", &checkpoint.summary);
    set_if(
        &mut value,
        "thinned_at",
        &time::rfc3339(checkpoint.thinned_at.as_ref()),
    );
    value
}

pub(crate) fn state(state: &CheckpointState) -> Value {
    let mut value = json!({
        "current_task": state.current_task,
        "progress": state.progress,
        "decisions": state.decisions,
        "next_steps": state.next_steps,
        "completed_steps": state.completed_steps,
        "blockers": state.blockers,
        "active_files": state.active_files.iter().map(file).collect::<Vec<_>>(),
    });
    set_if(&mut value, "summary", &state.summary);
    set_if(&mut value, "task_key", &state.task_key);
    set_list(&mut value, "left_open_steps", &state.left_open_steps);
    set_list(&mut value, "dropped_steps", &state.dropped_steps);
    set_list(
        &mut value,
        "retracted_decisions",
        &state.retracted_decisions,
    );
    if let Some(state) = &state.git {
        value["git"] = git(state);
    }
    value
}

pub(crate) fn file(file: &FileState) -> Value {
    let mut value = json!({"path": file.path, "presence": words::file_presence(file.presence())});
    if file.presence() == shim_proto::checkpoint::v1::FilePresence::Present {
        value["size_bytes"] = file.size_bytes.into();
        set_if(
            &mut value,
            "modified_at",
            &time::rfc3339(file.modified_at.as_ref()),
        );
        set_if(&mut value, "blake3", &file.blake3);
    }
    value
}

pub(crate) fn worker(worker: &Worker) -> Value {
    let mut value = json!({
        "worker_id": worker.worker_id,
        "epoch": worker.epoch,
        "name": worker.name,
        "kind": words::worker_kind(worker.kind()),
        "capabilities": worker.capabilities,
        "running": worker.running,
        "capacity": worker.capacity,
        "state": words::worker_state(worker.state()),
        "health": words::worker_health(worker.health()),
        "node": worker.node,
        "version": worker.version,
        "registered_at": time::rfc3339(worker.registered_at.as_ref()),
        "last_heartbeat_at": time::rfc3339(worker.last_heartbeat_at.as_ref()),
        "due_at": time::rfc3339(worker.due_at.as_ref()),
    });
    set_if(&mut value, "detail", &worker.detail);
    set_if(
        &mut value,
        "unfit_until",
        &time::rfc3339(worker.unfit_until.as_ref()),
    );
    set_if(&mut value, "session_id", &worker.session_id);
    value
}
