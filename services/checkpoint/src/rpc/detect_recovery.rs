//! DetectRecovery: what can be brought back, best first.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{
    DetectRecoveryRequest, DetectRecoveryResponse, Interruption, RecoveryCandidate,
};
use tonic::Status;

use super::Api;
use super::fields::Fields;
use crate::domain::recovery::confidence;
use crate::domain::time::{UnixMicros, to_unix_micros};
use crate::error::Error;
use crate::store::sessions::StoredSession;
use crate::store::{checkpoints, sessions};

const STEPS_SHOWN: usize = 20;

pub(super) async fn handle(
    api: &Api,
    request: DetectRecoveryRequest,
) -> Result<DetectRecoveryResponse, Status> {
    let mut fields = Fields::default();
    fields.text("project", &request.project, 4_096);
    let limit = fields.page_size("limit", request.limit, 10, 100);
    fields.finish()?;

    let now = api.store.now();
    let candidates = api
        .store
        .read(move |db| {
            let project = &request.project;
            let mut found = sessions::recoverable(db, project, true, limit)?;
            let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(limit));
            if !request.only_project && left > 0 {
                found.extend(sessions::recoverable(db, project, false, left)?);
            }
            found
                .into_iter()
                .filter_map(|stored| candidate(db, stored, project, now).transpose())
                .collect::<Result<_, _>>()
        })
        .await?;
    Ok(DetectRecoveryResponse { candidates })
}

/// A session without any intact checkpoint has nothing to bring back; the damage was logged where it was found.
fn candidate(
    db: &Connection,
    stored: StoredSession,
    project: &str,
    now: UnixMicros,
) -> Result<Option<RecoveryCandidate>, Error> {
    let (checkpoint, mut state, _) = match checkpoints::newest_intact(db, &stored) {
        Err(Error::Damaged(_) | Error::CheckpointNotFound(_)) => return Ok(None),
        other => other?,
    };
    let session = stored.session;
    state.next_steps.truncate(STEPS_SHOWN);
    let noticed = session
        .interruption
        .as_ref()
        .and_then(|i: &Interruption| to_unix_micros(i.at.as_ref()))
        .unwrap_or(now);
    Ok(Some(RecoveryCandidate {
        confidence: confidence(&session, now),
        same_project: session.project == project,
        age: prost_types::Duration::try_from(now.since(noticed)).ok(),
        session: Some(session),
        checkpoint: Some(checkpoint),
        next_steps: state.next_steps,
    }))
}
