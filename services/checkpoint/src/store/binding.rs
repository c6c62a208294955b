//! Which session a conversation has: one, whoever comes first, and whoever goes on with it.

use std::sync::LazyLock;

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{
    ClientInfo, ObservedEvent, ProcessIdentity, Session, SessionStatus,
};
use shim_runtime::{conversation, process};
use shim_sqlite::UnixMicros;

use super::checkpoint_store::Store;
use super::tables::stored_session::StoredSession;
use super::tables::{conversations, observations, sessions};
use crate::domain::observation::binding::{OwnerLife, opens, takes_over};
use crate::error::Error;
use shim_render::session_tasks::OBSERVED_TASK;

/// This host and its boot: both stay while the process runs.
static HOSTNAME: LazyLock<String> = LazyLock::new(process::hostname);
static BOOT_ID: LazyLock<String> = LazyLock::new(process::boot_id);

/// How many sessions of older versions are looked through in one change.
const SESSIONS_AT_ONCE: u32 = 500;

/// The session of an event, and what became of it.
pub(super) struct Bound {
    pub(super) stored: StoredSession,
    pub(super) is_opened: bool,
}

/// The client that told an event. One that names no host is on this one.
pub(super) fn teller(event: &ObservedEvent) -> ClientInfo {
    let mut client = event.client.clone().unwrap_or_default();
    client.conversation.clone_from(&event.conversation);
    if client.hostname.is_empty() {
        client.hostname.clone_from(&HOSTNAME);
        client.boot_id.clone_from(&BOOT_ID);
    }
    client
}

/// The session of the conversation that the event is of; opened in `project` if the event is a reason to.
pub(super) fn find_or_open(
    db: &Connection,
    event: &ObservedEvent,
    client: &ClientInfo,
    project: Option<&str>,
    now: UnixMicros,
) -> Result<Option<Bound>, Error> {
    let known = conversations::session_of(db, &client.hostname, &client.conversation)?;
    if let Some(row) = known {
        let stored = sessions::by_row_short(db, row)?;
        let is_opened = false;
        return Ok(Some(Bound { stored, is_opened }));
    }
    let Some(project) = project.filter(|_| opens(event)) else {
        return Ok(None);
    };
    let session =
        super::ownership::new_session(project.to_owned(), String::new(), Some(client.clone()), now);
    let stored = sessions::insert(db, session)?;
    conversations::bind_client(db, Some(client), stored.row_id)?;
    let is_opened = true;
    Ok(Some(Bound { stored, is_opened }))
}

/// Makes the client that told the event the owner at the next epoch, if its event says so. Answers whether it did.
pub(super) fn take_over_if_due(
    db: &Connection,
    stored: &mut StoredSession,
    event: &ObservedEvent,
    client: &ClientInfo,
    now: UnixMicros,
) -> Result<bool, Error> {
    let session = &stored.session;
    let owner = session.client.clone().unwrap_or_default();
    let is_owners = is_same_process(&owner, client);
    if session.status() == SessionStatus::Active && is_owners {
        return Ok(false);
    }
    let life = match (is_owners, is_alive(&owner)) {
        (true, _) => OwnerLife::Same,
        (false, Some(false)) => OwnerLife::Gone,
        (false, _) => OwnerLife::Lives,
    };
    if !takes_over(session, event, life, is_alive(client)) {
        if session.status() == SessionStatus::Active {
            tracing::debug!(
                session = session.id,
                "another process goes on with a conversation whose owner lives; the owner keeps its session"
            );
        }
        return Ok(false);
    }
    hand_to(&mut stored.session, client.clone());
    sessions::update(db, stored, now)?;
    tracing::info!(
        session = stored.session.id,
        epoch = stored.session.epoch,
        "a conversation goes on in another process; its session is that client's now"
    );
    Ok(true)
}

/// Whether both are the same process of the same machine's run. A client that names no process is its host's conversation.
fn is_same_process(one: &ClientInfo, other: &ClientInfo) -> bool {
    let process = |client: &ClientInfo| client.client_process.filter(|process| process.pid != 0);
    match (process(one), process(other)) {
        (Some(one_process), Some(other_process)) => {
            one.boot_id == other.boot_id && is_same_pid(one_process, other_process)
        }
        _ => one.hostname == other.hostname,
    }
}

/// A start time that is not known fits any.
fn is_same_pid(one: ProcessIdentity, other: ProcessIdentity) -> bool {
    let (a, b) = (one.start_ticks, other.start_ticks);
    one.pid == other.pid && (a == b || a == 0 || b == 0)
}

/// Whether the client's process lives; `None` if it names none, or is on another host.
fn is_alive(client: &ClientInfo) -> Option<bool> {
    let process = client.client_process.filter(|process| process.pid != 0)?;
    if client.hostname != *HOSTNAME {
        return None;
    }
    let is_of_now = client.boot_id.is_empty() || client.boot_id == *BOOT_ID;
    Some(is_of_now && process::is_alive(&process))
}

/// The session that a client which opens one has already: its conversation's, which was opened by what was observed and
/// which no gateway had. Its owner is that very client, or gone.
pub(super) fn observed_session_of(
    db: &Connection,
    client: &ClientInfo,
) -> Result<Option<StoredSession>, Error> {
    let Some(stored) = session_of_client(db, client)? else {
        return Ok(None);
    };
    let session = &stored.session;
    let owner = session.client.clone().unwrap_or_default();
    let had_gateway = owner
        .gateway_process
        .is_some_and(|process| process.pid != 0);
    let is_free = session.status() == SessionStatus::Interrupted
        || conversation::is_same_client(&owner, client)
        || is_alive(&owner) == Some(false);
    let is_takeable = !had_gateway && session.status() != SessionStatus::Ended && is_free;
    Ok(is_takeable.then_some(stored))
}

fn session_of_client(db: &Connection, client: &ClientInfo) -> Result<Option<StoredSession>, Error> {
    if client.conversation.is_empty() {
        return Ok(None);
    }
    let row = conversations::session_of(db, &client.hostname, &client.conversation)?;
    match row.map(|row| sessions::by_row(db, row)) {
        Some(Ok(stored)) => Ok(Some(stored)),
        Some(Err(error)) if !error.is_nothing_readable() => Err(error),
        _ => Ok(None),
    }
}

/// The client's conversation goes on with this session, unless another live process has the one it had. A session that
/// was only observed until then, and holds no work, ends.
pub(super) fn rebind(
    db: &Connection,
    stored: &StoredSession,
    client: Option<&ClientInfo>,
    now: UnixMicros,
) -> Result<(), Error> {
    let Some(client) = client.filter(|client| !client.conversation.is_empty()) else {
        return Ok(());
    };
    let known = conversations::session_of(db, &client.hostname, &client.conversation)?;
    if known == Some(stored.row_id) {
        return Ok(());
    }
    if let Some(mut before) = session_of_client(db, client)? {
        let owner = before.session.client.clone().unwrap_or_default();
        let is_anothers = before.session.status() == SessionStatus::Active
            && !is_same_process(&owner, client)
            && is_alive(&owner) != Some(false);
        if is_anothers {
            return Ok(());
        }
        if is_without_work(db, &before)? {
            before.session.status = SessionStatus::Ended.into();
            before.session.ended_at = Some(now.into());
            sessions::update(db, &mut before, now)?;
        }
    }
    conversations::bind_client(db, Some(client), stored.row_id)
}

/// Whether a session was only observed, and no file was edited in it.
fn is_without_work(db: &Connection, stored: &StoredSession) -> Result<bool, Error> {
    let session = &stored.session;
    let had_gateway = session
        .client
        .as_ref()
        .and_then(|client| client.gateway_process)
        .is_some_and(|process| process.pid != 0);
    let is_told = session
        .tasks
        .iter()
        .any(|task| task.task_key != OBSERVED_TASK);
    if had_gateway || is_told || session.status() == SessionStatus::Ended {
        return Ok(false);
    }
    let observation = observations::find(db, stored.row_id)?;
    Ok(observation.is_some_and(|observation| observation.state.edited_files.is_empty()))
}

/// A session that a client takes over without restoring it: what was observed of it stays.
pub(super) fn hand_to(session: &mut Session, client: ClientInfo) {
    sessions::reactivate(session);
    session.epoch += 1;
    session.client = Some(client);
    session.ended_at = None;
    session.dismissed_at = None;
}

impl Store {
    /// Looks through the sessions of older versions for their conversations, once. The newest of a conversation has it.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn fill_conversations(&self) -> Result<(), Error> {
        if self.read(conversations::are_filled).await? {
            return Ok(());
        }
        let mut after = 0;
        loop {
            let page = self.sessions_after(after, SESSIONS_AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            after = last.row_id;
            self.write(0, move |db, _| {
                for stored in &page {
                    conversations::bind_client(db, stored.session.client.as_ref(), stored.row_id)?;
                    if let Some(observed) = observations::find(db, stored.row_id)? {
                        let host = stored.session.client.as_ref();
                        let host = host.map_or("", |client| client.hostname.as_str());
                        conversations::bind(db, host, &observed.state.conversation, stored.row_id)?;
                    }
                }
                Ok(())
            })
            .await?;
        }
        self.write(0, |db, _| conversations::mark_filled(db)).await
    }
}
