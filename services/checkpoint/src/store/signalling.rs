//! Signals: snapshots are judged and kept, and danger saves the last known state.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointTrigger, RecordSignalsRequest, RecordSignalsResponse, RiskAssessment,
    RiskLevel, SignalRecord, Signals,
};
use shim_runtime::ids::SessionId;
use shim_sqlite::{IdempotencyKey, UnixMicros};
use uuid::Uuid;

use super::checkpoint_store::{Prepared, Store};
use super::codec::PackedState;
use super::head::require_head;
use super::observed_saving;
use super::reuse;
use super::tables::appending::{self, TaskOfSave};
use super::tables::sessions::{self, Owner};
use super::tables::stored_session::StoredSession;
use super::tables::{observations, signals, task_checkpoints};
use crate::domain::observation::Observation;
use crate::domain::risk::{RiskHistory, RiskLimits, assess, merged};
use crate::error::Error;
use crate::metrics;

/// A page of snapshots with their rows; a damaged one is `None`.
pub(crate) type SignalPage = Vec<(i64, Option<SignalRecord>)>;

/// The last known state with what was measured now, packed on a reader.
struct DangerState {
    /// The number of the head that was read.
    head: u64,
    /// `None` if no checkpoint can be read and nothing was observed: there is nothing to save again.
    packed: Option<PackedState>,
    task: TaskOfSave,
    /// What the state knows of what was observed.
    observation: Option<Observation>,
}

/// One snapshot on its way into the database.
#[derive(Clone)]
struct Snapshot {
    key: IdempotencyKey,
    owner: Owner,
    measured: Signals,
    limits: RiskLimits,
    /// The client's status line told it, and not the model.
    is_observed: bool,
}

impl Store {
    /// Judges and keeps a snapshot. When it is the first to reach danger, the last known state is saved with it.
    ///
    /// # Errors
    /// STALE_OWNER, SESSION_ENDED, SESSION_NOT_FOUND; OVERLOADED if the head moved at every try; the store's failures.
    pub(crate) async fn record_signals(
        &self,
        owner: Owner,
        limits: &RiskLimits,
        request: RecordSignalsRequest,
    ) -> Result<RecordSignalsResponse, Error> {
        let snapshot = Snapshot {
            key: IdempotencyKey::new("RecordSignals", &request.request_id, &request),
            owner,
            measured: request.signals.unwrap_or_default(),
            limits: limits.clone(),
            is_observed: false,
        };
        self.keep_snapshot(snapshot).await
    }

    /// The same for what a client measured by itself.
    ///
    /// # Errors
    /// As [`Store::record_signals`].
    pub(crate) async fn record_usage(
        &self,
        owner: Owner,
        limits: &RiskLimits,
        measured: Signals,
    ) -> Result<RecordSignalsResponse, Error> {
        let request = RecordSignalsRequest {
            request_id: Uuid::now_v7().to_string(),
            session_id: owner.session.to_string(),
            epoch: owner.epoch.0,
            signals: Some(measured),
        };
        let snapshot = Snapshot {
            key: IdempotencyKey::new("RecordSignals", &request.request_id, &request),
            owner,
            measured,
            limits: limits.clone(),
            is_observed: true,
        };
        self.keep_snapshot(snapshot).await
    }

    async fn keep_snapshot(&self, snapshot: Snapshot) -> Result<RecordSignalsResponse, Error> {
        // Danger is rare: only a snapshot that reaches it pays for packing a state.
        match self.insert_snapshot(snapshot.clone(), None).await {
            Err(Error::HeadMoved(_)) => {}
            done => return done,
        }
        let session = snapshot.owner.session;
        self.retry_moved_head(session, || self.insert_dangerous(snapshot.clone()))
            .await
    }

    async fn insert_dangerous(&self, snapshot: Snapshot) -> Result<RecordSignalsResponse, Error> {
        let (level, owner, measured) = (self.zstd_level, snapshot.owner, snapshot.measured);
        let prepared = self.prepare(&snapshot.key, move |db| {
            pack_danger_state(db, owner, &measured, level)
        });
        match prepared.await? {
            Prepared::Answered(response) => Ok(response),
            Prepared::Ready(danger) => self.insert_snapshot(snapshot, Some(danger)).await,
        }
    }

    async fn insert_snapshot(
        &self,
        snapshot: Snapshot,
        danger: Option<DangerState>,
    ) -> Result<RecordSignalsResponse, Error> {
        let packed = danger.as_ref().and_then(|danger| danger.packed.as_ref());
        let bytes = packed.map_or(0, PackedState::memory_bytes);
        self.mutate(snapshot.key.clone(), bytes, move |db, now| {
            insert_judged(db, &snapshot, danger.as_ref(), now)
        })
        .await
    }

    /// The signals measured last and what the risk is judged against.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn risk_inputs(
        &self,
        session: SessionId,
        now: UnixMicros,
    ) -> Result<(Signals, RiskHistory), Error> {
        self.read(move |db| {
            let stored = sessions::find(db, session)?;
            let newest = signals::newest(db, stored.row_id)?;
            Ok((newest, signals::history(db, &stored, now)?))
        })
        .await
    }

    /// Up to `limit` snapshots of a session in rows below `before`, newest first.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn list_signals(
        &self,
        session: SessionId,
        before: i64,
        limit: u32,
    ) -> Result<SignalPage, Error> {
        self.read(move |db| signals::list(db, sessions::find(db, session)?.row_id, before, limit))
            .await
    }
}

fn insert_judged(
    db: &Connection,
    snapshot: &Snapshot,
    danger: Option<&DangerState>,
    now: UnixMicros,
) -> Result<RecordSignalsResponse, Error> {
    let mut stored = sessions::require_owner(db, snapshot.owner)?;
    let history = signals::history(db, &stored, now)?;
    let known = signals::newest(db, stored.row_id)?;
    let measured = with_known_window(snapshot.measured, &known);
    // The client measures the context alone; the risk is also that of what the model told.
    let judged = if snapshot.is_observed {
        merged(measured, &known)
    } else {
        measured
    };
    let assessment = assess(&snapshot.limits, &judged, &history, now);
    let (level, previous) = (assessment.level(), stored.session.risk_level());
    let reached_danger = level == RiskLevel::Danger && previous != RiskLevel::Danger;
    if reached_danger {
        require_prepared(db, &stored, danger)?;
    }
    metrics::after_commit(move || metrics::record_assessment(level));
    stored.session.risk_level = assessment.level;
    let record = record(&stored, snapshot.is_observed, measured, &assessment);
    signals::insert(db, &mut stored, &record, now)?;
    let danger_checkpoint = match danger.filter(|_| reached_danger) {
        Some(danger) => append_danger_checkpoint(db, &mut stored, danger, now)?,
        None => None,
    };
    sessions::update(db, &mut stored, now)?;
    Ok(RecordSignalsResponse {
        assessment: Some(assessment),
        danger_checkpoint,
        previous_level: previous.into(),
    })
}

/// Whether the checkpoint of a danger can be written as it was prepared; asked before anything is written.
fn require_prepared(
    db: &Connection,
    stored: &StoredSession,
    danger: Option<&DangerState>,
) -> Result<(), Error> {
    let danger = danger.ok_or_else(|| Error::HeadMoved(stored.session.id.clone()))?;
    require_head(stored, danger.head)?;
    match &danger.packed {
        Some(packed) => appending::require_base(db, stored, packed),
        None => Ok(()),
    }
}

fn append_danger_checkpoint(
    db: &Connection,
    stored: &mut StoredSession,
    danger: &DangerState,
    now: UnixMicros,
) -> Result<Option<Checkpoint>, Error> {
    let Some(packed) = &danger.packed else {
        return Ok(None);
    };
    let trigger = CheckpointTrigger::DangerZone;
    let appended = appending::append(db, stored, trigger, packed, &danger.task, now)?;
    if let Some(observation) = &danger.observation {
        observations::mark_saved(db, stored.row_id, observation, now)?;
    }
    Ok(Some(appended.checkpoint))
}

fn record(
    stored: &StoredSession,
    observed: bool,
    measured: Signals,
    assessment: &RiskAssessment,
) -> SignalRecord {
    SignalRecord {
        id: Uuid::now_v7().to_string(),
        session_id: stored.session.id.clone(),
        signals: Some(measured),
        assessment: Some(assessment.clone()),
        observed,
    }
}

/// A model that tells its tokens seldom knows the window; once it was measured, it is known.
fn with_known_window(measured: Signals, known: &Signals) -> Signals {
    let known = measured.estimated_tokens.and(known.context_window);
    Signals {
        context_window: measured.context_window.or(known),
        ..measured
    }
}

fn pack_danger_state(
    db: &Connection,
    owner: Owner,
    measured: &Signals,
    level: u32,
) -> Result<DangerState, Error> {
    let stored = sessions::find(
        db,
        sessions::require_owner(db, owner).map(|_| owner.session)?,
    )?;
    let (base, state, task, observation) = match observed_saving::content(db, &stored)? {
        Some(content) => {
            let task = TaskOfSave {
                is_owners: true,
                ..content.task
            };
            (
                content.base,
                Some(content.state),
                task,
                Some(content.observation),
            )
        }
        None => match task_checkpoints::of_current_task(db, &stored) {
            Ok((of, state, _)) => (of.number, Some(state), TaskOfSave::by_name(), None),
            Err(error) if error.is_nothing_readable() => (0, None, TaskOfSave::by_name(), None),
            Err(error) => return Err(error),
        },
    };
    let packed = state.map(|mut state| {
        state.memory = measured.memory.or(state.memory);
        reuse::pack(db, &stored, base, &state, level)
    });
    Ok(DangerState {
        head: stored.session.head_number,
        packed: packed.transpose()?,
        task,
        observation,
    })
}
