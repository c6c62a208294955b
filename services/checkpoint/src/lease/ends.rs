//! The end of an owner: what is left of its conversation is read, saved, and judged.
//!
//! (A) A session that saved nothing has a checkpoint of what was observed before it is interrupted. (B) A cause that was
//! found by what was missing gives way to what the client told, however late it comes.

use shim_proto::checkpoint::v1::{
    CheckpointTrigger, ClientInfo, EndSessionRequest, ObservedState, Session, SessionStatus,
};
use uuid::Uuid;

use super::leases::Lease;
use super::{evidence, transcript};
use crate::domain::cause::StreamEnd;
use crate::domain::ends::{End, has_open_work, is_in_hand, judge};
use crate::error::Error;
use crate::metrics;
use crate::store::{Owner, Store};

/// Ends or interrupts the session of an owner that is gone. Does nothing if another owner has it. Two that close one session
/// at once judge it by all that was told: the one that comes second judges anew.
///
/// # Errors
/// The store's failures; then nothing has changed but what was kept of a transcript.
pub(super) async fn close(
    store: &Store,
    owner: Owner,
    lease: &Lease,
    stream_end: StreamEnd,
) -> Result<(), Error> {
    let session = match store.find_session(owner.session).await {
        Err(Error::SessionNotFound(_)) => return Ok(()),
        found => found?,
    };
    if session.epoch != owner.epoch.0 || session.status() != SessionStatus::Active {
        return amend(store, owner).await;
    }
    let client = session.client.clone().unwrap_or_default();
    let seen = read_what_is_left(store, owner, &client).await?;
    let found = evidence::collect(lease, stream_end);
    let is_open = has_open_work(&session, seen.as_ref());
    match judge(&found, seen.as_ref(), is_open, store.now()) {
        End::Well => end(store, owner).await?,
        End::Interrupted(interruption) => {
            let cause = interruption.cause();
            if store.interrupt_session(owner, interruption).await? {
                if stream_end == StreamEnd::Silent {
                    metrics::record_lease_expiry();
                }
                // An owner that has not come back since a restart gave this process no sign of life.
                let silence = (!lease.inherited).then(|| lease.last_seen.elapsed());
                metrics::record_interruption(cause, silence);
                tracing::info!(session = %owner.session, cause = cause.as_str_name(), "a session was interrupted");
            } else {
                amend(store, owner).await?;
            }
        }
    }
    Ok(())
}

/// What was observed of the session, its transcript included, saved as a checkpoint; `None` if nothing was observed.
async fn read_what_is_left(
    store: &Store,
    owner: Owner,
    client: &ClientInfo,
) -> Result<Option<ObservedState>, Error> {
    let Some(seen) = store.observation(owner.session).await? else {
        return Ok(None);
    };
    let trigger = match needs_transcript(&seen) && transcript::keep(store, client, &seen).await? {
        true => CheckpointTrigger::Transcript,
        false => CheckpointTrigger::Observed,
    };
    if let Err(error) = store.save_observed(owner.session, trigger).await {
        tracing::warn!(session = %owner.session, %error, "what was observed of a lost session could not be saved");
    }
    store.observation(owner.session).await
}

/// Hooks told all of a conversation that ended in good order after its last turn.
fn needs_transcript(seen: &ObservedState) -> bool {
    seen.ended.is_none() || is_in_hand(seen)
}

async fn end(store: &Store, owner: Owner) -> Result<(), Error> {
    let request = EndSessionRequest {
        request_id: Uuid::now_v7().to_string(),
        session_id: owner.session.to_string(),
        epoch: owner.epoch.0,
        ..EndSessionRequest::default()
    };
    match store.end_session(owner.session, request).await {
        Ok(_) | Err(Error::SessionEnded(_) | Error::StaleOwner { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Judges the end of an interrupted session anew, after more of it was told. Does nothing if another owner has it, or if
/// nothing was observed of it.
///
/// # Errors
/// The store's failures.
pub(super) async fn amend(store: &Store, owner: Owner) -> Result<(), Error> {
    let session = store.find_session(owner.session).await?;
    if session.epoch != owner.epoch.0 || session.status() != SessionStatus::Interrupted {
        return Ok(());
    }
    let Some(seen) = store.observation(owner.session).await? else {
        return Ok(());
    };
    let lease = lease_of(&session, owner);
    let found = evidence::collect(&lease, StreamEnd::ClientGone);
    let at = session.interruption.as_ref().and_then(|before| before.at);
    let is_open = has_open_work(&session, Some(&seen));
    match judge(&found, Some(&seen), is_open, store.now()) {
        End::Well => end(store, owner).await,
        End::Interrupted(mut interruption) => {
            interruption.at = at.or(interruption.at);
            store.amend_interruption(owner, interruption).await
        }
    }
}

/// A lease that says no more than the session does.
fn lease_of(session: &Session, owner: Owner) -> Lease {
    let client = session.client.clone().unwrap_or_default();
    super::Leases::new_lease(owner.epoch, client)
}
