//! Who owns a session: opening, attaching, interrupting, ending, dismissing and deleting it.

use shim_proto::checkpoint::v1::{
    Attach, ClientInfo, DeleteSessionRequest, DeleteSessionResponse, DismissRecoveryRequest,
    DismissRecoveryResponse, EndSessionRequest, EndSessionResponse, Interruption,
    OpenSessionRequest, OpenSessionResponse, ProcessIdentity, Session, SessionStatus,
};
use shim_runtime::conversation;
use shim_runtime::ids::{Epoch, SessionId};
use shim_runtime::workspace::identity;
use shim_sqlite::{IdempotencyKey, UnixMicros};

use super::binding;
use super::checkpoint_store::Store;
use super::new_session::new_session;
use super::tables::pruning;
use super::tables::sessions::{self, Owner};
use super::tables::stored_session::StoredSession;
use super::tables::task_texts;
use crate::error::Error;

/// What an owner that attached has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attached {
    pub(crate) epoch: Epoch,
    /// The number of the session's newest checkpoint: less than the owner saved, if the database went back.
    pub(crate) head_number: u64,
}

/// The session that the client's conversation has already, if it was opened by what was observed and no gateway had it: the
/// client's from now on.
fn observed_session(
    db: &rusqlite::Connection,
    client: &ClientInfo,
    title: &str,
    now: UnixMicros,
) -> Result<Option<Session>, Error> {
    let Some(mut stored) = binding::observed_session_of(db, client)? else {
        return Ok(None);
    };
    binding::hand_to(&mut stored.session, client.clone());
    if !title.is_empty() {
        title.clone_into(&mut stored.session.title);
    }
    sessions::update(db, &mut stored, now)?;
    task_texts::fill(db, &mut stored)?;
    Ok(Some(stored.session))
}

/// The refusal that names the live owner to the client that wanted the session.
pub(super) fn session_owned_error(session: &Session, caller: Option<&ClientInfo>) -> Error {
    let owner = session.client.clone().unwrap_or_default();
    Error::SessionOwned {
        session: session.id.clone(),
        owner: owner_name(&owner, caller),
    }
}

/// The owner's name and its processes: a caller whose own client has another gateway cannot tell it by the client alone.
fn owner_name(owner: &ClientInfo, caller: Option<&ClientInfo>) -> String {
    let pid = |process: Option<ProcessIdentity>| process.map_or(0, |process| process.pid);
    let (client, gateway) = (pid(owner.client_process), pid(owner.gateway_process));
    let name = match owner.name.as_str() {
        "" => "a client",
        name => name,
    };
    let host = &owner.hostname;
    let is_callers = client != 0
        && caller.is_some_and(|caller| {
            caller.client_process == owner.client_process && caller.boot_id == owner.boot_id
        });
    match (client, gateway) {
        (0, 0) => name.to_owned(),
        (_, gateway @ 1..) if is_callers => format!(
            "another gateway (pid {gateway} on {host}) of this very client, {name} (pid {client})"
        ),
        (0, gateway) => format!("{name} (pid {gateway} on {host})"),
        (client, 0) => format!("{name} (pid {client} on {host})"),
        (client, gateway) => format!("{name} (pid {client} on {host}, its gateway pid {gateway})"),
    }
}

impl Store {
    /// Opens a session at epoch 1, under the one name of its project. A client whose conversation was observed before goes on
    /// with the session that was opened then, at its next epoch.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn open_session(
        &self,
        request: OpenSessionRequest,
    ) -> Result<OpenSessionResponse, Error> {
        let key = IdempotencyKey::new("OpenSession", &request.request_id, &request);
        let project = identity(&request.project);
        self.mutate(key, 0, move |db, now| {
            let session = match &request.client {
                Some(client) => observed_session(db, client, &request.title, now)?,
                None => None,
            };
            let session = match session {
                Some(session) => session,
                None => {
                    let client = request.client.clone();
                    let session = new_session(project, request.title, request.client, now);
                    let stored = sessions::insert(db, session)?;
                    binding::rebind(db, &stored, client.as_ref(), now)?;
                    stored.session
                }
            };
            Ok(OpenSessionResponse {
                session: Some(session),
            })
        })
        .await
    }

    /// Makes the caller the live owner: at its epoch, or, with epoch 0, at the next one of a session that is interrupted or
    /// held by an older gateway of the same client and conversation.
    ///
    /// # Errors
    /// STALE_OWNER, SESSION_ENDED, SESSION_OWNED, SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn attach_session(
        &self,
        session: SessionId,
        attach: Attach,
    ) -> Result<Attached, Error> {
        self.write(0, move |db, now| {
            let mut stored = match attach.epoch {
                0 => adopt(sessions::find(db, session)?, attach.client.as_ref())?,
                epoch => sessions::require_owner(db, Owner::new(session, epoch))?,
            };
            sessions::reactivate(&mut stored.session);
            binding::rebind(db, &stored, attach.client.as_ref(), now)?;
            stored.session.client = attach.client;
            sessions::update(db, &mut stored, now)?;
            Ok(Attached {
                epoch: Epoch(stored.session.epoch),
                head_number: stored.session.head_number,
            })
        })
        .await
    }

    /// Notes that the owner at `epoch` was lost. Answers whether the session still was that owner's and active.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn interrupt_session(
        &self,
        owner: Owner,
        interruption: Interruption,
    ) -> Result<bool, Error> {
        self.write(0, move |db, now| {
            let mut stored = match sessions::find(db, owner.session) {
                Err(Error::SessionNotFound(_)) => return Ok(false),
                other => other?,
            };
            if stored.session.epoch != owner.epoch.0
                || stored.session.status() != SessionStatus::Active
            {
                return Ok(false);
            }
            stored.session.status = SessionStatus::Interrupted.into();
            stored.session.interruption = Some(interruption);
            sessions::update(db, &mut stored, now)?;
            Ok(true)
        })
        .await
    }

    /// Ends a session: its owner's, or, with epoch 0, one without a live owner.
    ///
    /// # Errors
    /// STALE_OWNER, SESSION_ENDED, SESSION_OWNED, SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn end_session(
        &self,
        session: SessionId,
        request: EndSessionRequest,
    ) -> Result<EndSessionResponse, Error> {
        let key = IdempotencyKey::new("EndSession", &request.request_id, &request);
        self.mutate(key, 0, move |db, now| {
            let mut stored = match request.epoch {
                0 => sessions::find(db, session)?,
                epoch => sessions::require_owner(db, Owner::new(session, epoch))?,
            };
            match stored.session.status() {
                SessionStatus::Ended => return Err(Error::SessionEnded(session.to_string())),
                SessionStatus::Active if request.epoch == 0 => {
                    return Err(session_owned_error(&stored.session, None));
                }
                _ => {}
            }
            stored.session.status = SessionStatus::Ended.into();
            stored.session.ended_at = Some(now.into());
            sessions::update(db, &mut stored, now)?;
            task_texts::fill(db, &mut stored)?;
            Ok(EndSessionResponse {
                session: Some(stored.session),
            })
        })
        .await
    }

    /// Takes an interrupted session off the recovery list.
    ///
    /// # Errors
    /// NOT_INTERRUPTED, SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn dismiss_recovery(
        &self,
        session: SessionId,
        request: DismissRecoveryRequest,
    ) -> Result<DismissRecoveryResponse, Error> {
        let key = IdempotencyKey::new("DismissRecovery", &request.request_id, &request);
        self.mutate(key, 0, move |db, now| {
            let mut stored = sessions::find(db, session)?;
            if stored.session.status() != SessionStatus::Interrupted {
                return Err(Error::NotInterrupted(session.to_string()));
            }
            stored.session.dismissed_at = Some(now.into());
            sessions::update(db, &mut stored, now)?;
            Ok(DismissRecoveryResponse {
                session: Some(stored.session),
            })
        })
        .await
    }

    /// Deletes a session with all it holds, and records the deletion.
    ///
    /// # Errors
    /// SESSION_OWNED unless forced, SESSION_NOT_FOUND; the store's failures.
    pub(crate) async fn delete_session(
        &self,
        session: SessionId,
        request: DeleteSessionRequest,
    ) -> Result<DeleteSessionResponse, Error> {
        let key = IdempotencyKey::new("DeleteSession", &request.request_id, &request);
        // A person deletes on a full disk to get room.
        let is_for_room = self.failure().borrow().is_some();
        self.use_reserve();
        let deleted = self.mutate(key, 0, move |db, now| {
            let stored = sessions::find(db, session)?;
            if stored.session.status() == SessionStatus::Active && !request.force {
                return Err(session_owned_error(&stored.session, None));
            }
            let dropped = pruning::delete_session(db, &stored, "request", now)?;
            Ok(DeleteSessionResponse {
                deleted_checkpoints: dropped.checkpoints,
            })
        });
        let deleted = deleted.await?;
        if is_for_room {
            self.give_pages_back().await?;
        }
        Ok(deleted)
    }
}

/// Whether the live owner is an older gateway of this client, for the same conversation: then it is no other owner.
pub(super) fn is_held_by_same_client(session: &Session, client: Option<&ClientInfo>) -> bool {
    let owner = session.client.as_ref();
    let both = owner.zip(client);
    both.is_some_and(|(owner, client)| conversation::is_same_client(owner, client))
}

/// A session at its next epoch, if it has no owner, or none but this client.
fn adopt(mut stored: StoredSession, client: Option<&ClientInfo>) -> Result<StoredSession, Error> {
    match stored.session.status() {
        SessionStatus::Ended => return Err(Error::SessionEnded(stored.session.id)),
        SessionStatus::Interrupted => {}
        _ if is_held_by_same_client(&stored.session, client) => {}
        _ => return Err(session_owned_error(&stored.session, client)),
    }
    stored.session.epoch += 1;
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_session_is_named_by_what_tells_it_from_the_caller() {
        let client = |pid, gateway| ClientInfo {
            name: "claude-code".into(),
            hostname: "box".into(),
            boot_id: "b".into(),
            client_process: (pid != 0).then_some(ProcessIdentity {
                pid,
                start_ticks: 1,
            }),
            gateway_process: (gateway != 0).then_some(ProcessIdentity {
                pid: gateway,
                start_ticks: 2,
            }),
            ..ClientInfo::default()
        };
        let caller = client(10, 12);
        for (owner, expected) in [
            (
                client(10, 11),
                "another gateway (pid 11 on box) of this very client, claude-code (pid 10)",
            ),
            (
                client(20, 21),
                "claude-code (pid 20 on box, its gateway pid 21)",
            ),
            (client(20, 0), "claude-code (pid 20 on box)"),
            (client(0, 21), "claude-code (pid 21 on box)"),
            (client(0, 0), "claude-code"),
            (ClientInfo::default(), "a client"),
        ] {
            assert_eq!(owner_name(&owner, Some(&caller)), expected);
        }
        let elsewhere = ClientInfo {
            boot_id: "c".into(),
            ..client(10, 11)
        };
        let expected = "claude-code (pid 10 on box, its gateway pid 11)";
        assert_eq!(owner_name(&elsewhere, Some(&caller)), expected);
        assert_eq!(owner_name(&client(10, 11), None), expected);
    }
}
