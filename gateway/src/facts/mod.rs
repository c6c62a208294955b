//! What the services answer, as JSON for tools and resources. Ids are whole, times are RFC 3339, unset is left out.

mod tasks;

use prost_types::Struct;
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, Claim, FileState, Interruption, RecoveryCandidate, RiskAssessment,
    RiskFactor, SearchHit, Session,
};
use shim_proto::coordination::v1::{FileLease, Worker};
use shim_runtime::free_form;

use crate::wording;

pub(crate) use tasks::{Shown, event, missing, queue, result, subtask, task};

pub(crate) fn session(session: &Session) -> Value {
    let mut facts = json!({
        "session_id": session.id,
        "project": session.project,
        "status": wording::status(session.status()),
        "attached": session.attached,
        "epoch": session.epoch,
        "current_task": session.current_task,
        "progress": session.progress,
        "open_steps": session.open_steps,
        "checkpoints": session.head_number,
        "risk_level": wording::level(session.risk_level()),
        "opened_at": wording::time(session.opened_at.as_ref()),
        "updated_at": wording::time(session.updated_at.as_ref()),
    });
    set_if(&mut facts, "title", &session.title);
    set_if(
        &mut facts,
        "last_checkpoint_at",
        &wording::time(session.last_checkpoint_at.as_ref()),
    );
    set_if(
        &mut facts,
        "dismissed_at",
        &wording::time(session.dismissed_at.as_ref()),
    );
    set_if(
        &mut facts,
        "ended_at",
        &wording::time(session.ended_at.as_ref()),
    );
    set_if(
        &mut facts,
        "forked_from_checkpoint_id",
        &session.forked_from_checkpoint_id,
    );
    if let Some(client) = &session.client {
        facts["client"] =
            json!({"name": client.name, "version": client.version, "hostname": client.hostname});
    }
    if let Some(interruption_) = &session.interruption {
        facts["interruption"] = interruption(interruption_);
    }
    facts
}

pub(crate) fn interruption(interruption: &Interruption) -> Value {
    json!({
        "cause": wording::cause(interruption.cause()),
        "confidence": interruption.confidence,
        "evidence": interruption.evidence,
        "at": wording::time(interruption.at.as_ref()),
    })
}

pub(crate) fn checkpoint(checkpoint: &Checkpoint) -> Value {
    let mut facts = json!({
        "checkpoint_id": checkpoint.id,
        "session_id": checkpoint.session_id,
        "number": checkpoint.number,
        "trigger": wording::trigger(checkpoint.trigger()),
        "created_at": wording::time(checkpoint.created_at.as_ref()),
        "current_task": checkpoint.current_task,
        "progress": checkpoint.progress,
        "state_bytes": checkpoint.state_bytes,
    });
    set_if(&mut facts, "summary", &checkpoint.summary);
    set_if(
        &mut facts,
        "thinned_at",
        &wording::time(checkpoint.thinned_at.as_ref()),
    );
    facts
}

pub(crate) fn state(state: &CheckpointState) -> Value {
    let mut facts = json!({
        "current_task": state.current_task,
        "progress": state.progress,
        "decisions": state.decisions,
        "next_steps": state.next_steps,
        "completed_steps": state.completed_steps,
        "blockers": state.blockers,
        "active_files": state.active_files.iter().map(file).collect::<Vec<_>>(),
    });
    set_if(&mut facts, "summary", &state.summary);
    if let Some(git) = &state.git {
        facts["git"] = json!({"head": git.head, "branch": git.branch});
    }
    facts
}

pub(crate) fn file(file: &FileState) -> Value {
    let mut facts = json!({"path": file.path, "presence": wording::presence(file.presence())});
    if file.presence() == shim_proto::checkpoint::v1::FilePresence::Present {
        facts["size_bytes"] = file.size_bytes.into();
        set_if(
            &mut facts,
            "modified_at",
            &wording::time(file.modified_at.as_ref()),
        );
        set_if(&mut facts, "blake3", &file.blake3);
    }
    facts
}

pub(crate) fn candidate(candidate: &RecoveryCandidate) -> Value {
    let mut facts = json!({
        "confidence": candidate.confidence,
        "same_project": candidate.same_project,
        "next_steps": candidate.next_steps,
    });
    if let Some(found) = &candidate.session {
        facts["session_id"] = found.id.as_str().into();
        facts["project"] = found.project.as_str().into();
        facts["epoch"] = found.epoch.into();
        facts["interruption"] = found
            .interruption
            .as_ref()
            .map_or(Value::Null, interruption);
    }
    if let Some(newest) = &candidate.checkpoint {
        facts["checkpoint"] = checkpoint(newest);
    }
    if let Some(age) = candidate
        .age
        .and_then(|age| std::time::Duration::try_from(age).ok())
    {
        facts["age_seconds"] = age.as_secs().into();
    }
    facts
}

pub(crate) fn claim(claim: &Claim) -> Value {
    json!({
        "kind": wording::claim_kind(claim.kind()),
        "subject": claim.subject,
        "verdict": wording::verdict(claim.verdict()),
        "detail": claim.detail,
    })
}

pub(crate) fn hit(hit: &SearchHit) -> Value {
    let mut facts = hit
        .checkpoint
        .as_ref()
        .map_or_else(|| json!({}), checkpoint);
    facts["snippet"] = hit.snippet.as_str().into();
    facts["project"] = hit.project.as_str().into();
    set_if(&mut facts, "session_title", &hit.session_title);
    facts
}

pub(crate) fn assessment(assessment: &RiskAssessment) -> Value {
    json!({
        "risk": assessment.risk,
        "level": wording::level(assessment.level()),
        "factors": assessment.factors.iter().map(factor).collect::<Vec<_>>(),
    })
}

pub(crate) fn factor(factor: &RiskFactor) -> Value {
    json!({
        "name": factor.name,
        "value": factor.value,
        "limit": factor.limit,
        "unit": factor.unit,
        "zone": wording::level(factor.zone()),
        "weight": factor.weight,
    })
}

pub(crate) fn worker(worker: &Worker) -> Value {
    let mut facts = json!({
        "worker_id": worker.worker_id,
        "epoch": worker.epoch,
        "name": worker.name,
        "kind": wording::worker_kind(worker.kind()),
        "capabilities": worker.capabilities,
        "running": worker.running,
        "capacity": worker.capacity,
        "state": wording::worker_state(worker.state()),
        "health": wording::worker_health(worker.health()),
        "node": worker.node,
        "version": worker.version,
        "registered_at": wording::time(worker.registered_at.as_ref()),
        "last_heartbeat_at": wording::time(worker.last_heartbeat_at.as_ref()),
        "due_at": wording::time(worker.due_at.as_ref()),
    });
    set_if(&mut facts, "detail", &worker.detail);
    set_if(&mut facts, "session_id", &worker.session_id);
    facts
}

pub(crate) fn file_lease(lease: &FileLease) -> Value {
    json!({
        "lease_id": lease.lease_id,
        "workspace": lease.workspace,
        "holder": lease.holder,
        "purpose": lease.purpose,
        "patterns": lease.patterns,
        "mode": wording::lease_mode(lease.mode()),
        "acquired_at": wording::time(lease.acquired_at.as_ref()),
        "expires_at": wording::time(lease.expires_at.as_ref()),
    })
}

/// Free-form data as the JSON it stands for.
pub(crate) fn object(data: &Struct) -> Value {
    free_form::to_json(data).into()
}

fn set_if(facts: &mut Value, name: &str, text: &str) {
    if !text.is_empty() {
        facts[name] = text.into();
    }
}
