//! RecordSignals: keeps a snapshot, judges it, and saves the session itself when the judgement is danger.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointTrigger, Notice, RecordSignalsRequest, RecordSignalsResponse,
    RiskAssessment, RiskLevel, SignalRecord, Signals,
};
use tonic::Status;
use uuid::Uuid;

use super::Api;
use super::fields::Fields;
use crate::domain::risk::{assess, describe_raised};
use crate::domain::time::UnixMicros;
use crate::error::Error;
use crate::metrics;
use crate::store::codec::encode_state;
use crate::store::idempotency::IdempotencyKey;
use crate::store::sessions::StoredSession;
use crate::store::{after_commit, checkpoints, sessions, signals};

pub(super) async fn handle(
    api: &Api,
    request: RecordSignalsRequest,
) -> Result<RecordSignalsResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.uuid("session_id", &request.session_id);
    fields.epoch(request.epoch);
    fields.signals(request.signals.as_ref());
    fields.finish()?;

    let key = IdempotencyKey::new("RecordSignals", &request.request_id, &request);
    let (epoch, config) = (request.epoch, api.config.clone());
    let measured = request.signals.unwrap_or_default();
    let recorded = api
        .store
        .mutate(key, 0, move |db, now| {
            let mut stored = sessions::require_owner(db, id, epoch)?;
            let history = signals::history(db, &stored, now)?;
            let assessment = assess(&config.risk, &measured, &history, now);
            let (level, previous) = (assessment.level(), stored.session.risk_level());
            after_commit(move || metrics::record_assessment(level));
            stored.session.risk_level = assessment.level;
            insert_record(db, &stored, &measured, &assessment, now)?;
            let reached_danger = level == RiskLevel::Danger && previous != RiskLevel::Danger;
            let danger_checkpoint = if reached_danger {
                save_danger_checkpoint(db, &mut stored, &measured, config.zstd_level, now)?
            } else {
                None
            };
            sessions::update(db, &mut stored, now)?;
            Ok(RecordSignalsResponse {
                assessment: Some(assessment),
                danger_checkpoint,
                previous_level: previous.into(),
            })
        })
        .await?;
    api.leases.renew_or_grant(id, epoch);
    notify_owner(api, id, &recorded);
    Ok(recorded)
}

fn insert_record(
    db: &Connection,
    stored: &StoredSession,
    measured: &Signals,
    assessment: &RiskAssessment,
    now: UnixMicros,
) -> Result<(), Error> {
    let record = SignalRecord {
        id: Uuid::now_v7().to_string(),
        session_id: stored.session.id.clone(),
        signals: Some(*measured),
        assessment: Some(assessment.clone()),
    };
    signals::insert(db, stored.row_id, &record, now)
}

/// Writes the last known state again with what was measured now. A session never saved has no state to write.
fn save_danger_checkpoint(
    db: &Connection,
    stored: &mut StoredSession,
    measured: &Signals,
    level: u32,
    now: UnixMicros,
) -> Result<Option<Checkpoint>, Error> {
    let mut state = match checkpoints::newest_intact(db, stored) {
        Err(Error::CheckpointNotFound(_) | Error::Damaged(_)) => return Ok(None),
        other => other?.1,
    };
    state.memory = measured.memory.or(state.memory);
    let encoded = encode_state(&state, level)?;
    checkpoints::append(
        db,
        stored,
        CheckpointTrigger::DangerZone,
        &state,
        &encoded,
        now,
    )
    .map(Some)
}

/// Tells the owner's stream, so that the news reaches the conversation with its next call.
fn notify_owner(api: &Api, session: Uuid, recorded: &RecordSignalsResponse) {
    let Some(assessment) = &recorded.assessment else {
        return;
    };
    if assessment.level <= recorded.previous_level || assessment.level() == RiskLevel::Safe {
        return;
    }
    let level = if assessment.level() == RiskLevel::Danger {
        "danger"
    } else {
        "warning"
    };
    let notice = |kind: &str, text: String| Notice {
        kind: kind.into(),
        text,
        at: assessment.assessed_at,
    };
    let raised = describe_raised(assessment);
    api.leases.notify(
        session,
        notice(
            "risk_raised",
            format!(
                "The session's risk rose to {level} ({:.1}): {raised}.",
                assessment.risk
            ),
        ),
    );
    if let Some(checkpoint) = &recorded.danger_checkpoint {
        let text = format!(
            "The service saved the last known state as checkpoint {}.",
            checkpoint.number
        );
        api.leases
            .notify(session, notice("danger_checkpoint", text));
    }
}
