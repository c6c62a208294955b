//! What the services answer, as JSON for tools and resources. Ids are whole, times are RFC 3339, unset is left out.

mod fields;
mod tasks;

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, Claim, FileState, GitState, Interruption, OpenTask,
    RecoveryCandidate, RiskAssessment, RiskFactor, SearchHit, Session, SessionTask,
};
use shim_proto::coordination::v1::{FileLease, Worker};
use shim_render::{session_tasks, time, words};

use fields::{set_if, set_list};

pub(crate) use fields::object;
pub(crate) use tasks::{ShownResult, event, missing, queue, result, subtask, task};

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

/// An unfinished task with its steps; of many tasks most are told with the number of their steps alone.
pub(crate) fn open_task(open: &OpenTask) -> Value {
    let task = open.task.clone().unwrap_or_default();
    let mut value = session_task(&task);
    if !open.next_steps.is_empty() || task.open_steps == 0 {
        value["next_steps"] = open.next_steps.clone().into();
    }
    value
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

pub(crate) fn candidate(candidate: &RecoveryCandidate) -> Value {
    let mut value = json!({
        "confidence": candidate.confidence,
        "confidence_in_words": words::confidence(candidate.confidence),
        "same_project": candidate.same_project,
        "next_steps": candidate.next_steps,
        "tasks": candidate.tasks.iter().map(open_task).collect::<Vec<_>>(),
    });
    if let Some(found) = &candidate.session {
        value["session_id"] = found.id.as_str().into();
        value["project"] = found.project.as_str().into();
        value["epoch"] = found.epoch.into();
        value["interruption"] = found
            .interruption
            .as_ref()
            .map_or(Value::Null, interruption);
    }
    if let Some(newest) = &candidate.checkpoint {
        value["checkpoint"] = checkpoint(newest);
    }
    if let Some(age) = time::duration(candidate.age) {
        value["age_seconds"] = age.as_secs().into();
    }
    if let Some(unsaved) = time::duration(candidate.unsaved) {
        value["unsaved_seconds"] = unsaved.as_secs().into();
    }
    value
}

pub(crate) fn claim(claim: &Claim) -> Value {
    json!({
        "kind": words::claim_kind(claim.kind()),
        "subject": claim.subject,
        "verdict": words::claim_verdict(claim.verdict()),
        "detail": claim.detail,
    })
}

pub(crate) fn hit(hit: &SearchHit) -> Value {
    let mut value = hit
        .checkpoint
        .as_ref()
        .map_or_else(|| json!({}), checkpoint);
    value["snippet"] = hit.snippet.as_str().into();
    value["project"] = hit.project.as_str().into();
    set_if(&mut value, "session_title", &hit.session_title);
    value
}

pub(crate) fn assessment(assessment: &RiskAssessment) -> Value {
    json!({
        "risk": assessment.risk,
        "level": words::risk_level(assessment.level()),
        "factors": assessment.factors.iter().map(factor).collect::<Vec<_>>(),
    })
}

pub(crate) fn factor(factor: &RiskFactor) -> Value {
    json!({
        "name": factor.name,
        "value": factor.value,
        "limit": factor.limit,
        "unit": factor.unit,
        "zone": words::risk_level(factor.zone()),
        "weight": factor.weight,
    })
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

pub(crate) fn file_lease(lease: &FileLease) -> Value {
    json!({
        "lease_id": lease.lease_id,
        "workspace": lease.workspace,
        "holder": lease.holder,
        "purpose": lease.purpose,
        "patterns": lease.patterns,
        "mode": words::file_lease_mode(lease.mode()),
        "acquired_at": time::rfc3339(lease.acquired_at.as_ref()),
        "expires_at": time::rfc3339(lease.expires_at.as_ref()),
    })
}
