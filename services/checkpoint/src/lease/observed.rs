//! Leases of sessions that are known from what their clients tell by themselves: they have no stream, and live as long as
//! the client's process.

use shim_proto::checkpoint::v1::{ClientInfo, ObservedState, ProcessIdentity};
use shim_runtime::process_exit;

use super::leases::Lease;
use super::{alive_again, ends, evidence};
use crate::domain::cause::StreamEnd;
use crate::domain::ends::is_in_hand;
use crate::rpc::Api;
use crate::store::{Observed, ObservedSession, Owner};

/// What can be seen of a client from here.
enum Life {
    /// Its process runs.
    Lives(ProcessIdentity),
    /// Its process is gone.
    Gone,
    /// It names no process, or is on another machine.
    Unseen,
}

fn life(client: &ClientInfo) -> Life {
    let process = client.client_process.filter(|process| process.pid != 0);
    let Some(process) = process.filter(|_| evidence::is_here(client)) else {
        return Life::Unseen;
    };
    match evidence::is_alive_here(client, &process) {
        true => Life::Lives(process),
        false => Life::Gone,
    }
}

/// Takes note of what events said of their sessions: who lives, and who ended.
pub(crate) async fn on_events(api: &Api, observed: &Observed) {
    for session in &observed.sessions {
        if session.unsaved.is_owned {
            on_owned(api, session).await;
        } else if is_end_news(&session.before, &session.after)
            && let Err(error) = ends::amend(&api.store, session.owner).await
        {
            tracing::debug!(session = %session.owner.session, %error, "the end of a session could not be judged anew");
        }
    }
}

async fn on_owned(api: &Api, session: &ObservedSession) {
    let ObservedSession {
        owner,
        client,
        after,
        ..
    } = session;
    if after.ended.is_some() {
        return close(api, *owner, client, after, StreamEnd::ClientGone).await;
    }
    if api.leases.is_watched(*owner) {
        return;
    }
    match life(client) {
        Life::Lives(process) => watch(api, *owner, client, process),
        Life::Gone => close(api, *owner, client, after, StreamEnd::ClientGone).await,
        Life::Unseen if is_found(session) => {
            close(api, *owner, client, after, StreamEnd::Found).await;
        }
        Life::Unseen => api.leases.keep_unseen(*owner, client),
    }
}

/// Whether events of an ended process tell more of how it ended.
fn is_end_news(before: &ObservedState, after: &ObservedState) -> bool {
    let end = |seen: &ObservedState| {
        (
            seen.ended,
            seen.is_in_turn,
            seen.last_turn_outcome,
            seen.open_tool_calls.len(),
        )
    };
    end(before) != end(after)
}

/// Whether the session is known from a transcript alone, and no process has its conversation.
fn is_found(session: &ObservedSession) -> bool {
    session.unsaved.moments.read_transcript
        && session.client.client_process.is_none()
        && alive_again::is_alive(&session.after) != Some(true)
}

/// The lease lives as long as the process, whose end is waited for.
fn watch(api: &Api, owner: Owner, client: &ClientInfo, process: ProcessIdentity) {
    if !api.leases.watch(owner, client, process) {
        return;
    }
    let work = follow(api.clone(), process);
    api.tasks.spawn_contained("client_watch", work);
}

/// Closes the sessions of a process when it ends.
async fn follow(api: Api, process: ProcessIdentity) {
    tokio::select! {
        () = api.tasks.shutdown().wait() => return,
        () = process_exit::exited(&process) => {}
    }
    for (session, lease) in api.leases.take_of_process(process) {
        let owner = Owner {
            session,
            epoch: lease.epoch,
        };
        close_lease(&api, owner, lease, StreamEnd::ClientGone).await;
    }
}

/// Closes the session of a client that is gone or told its end. What takes time is done behind the call.
async fn close(
    api: &Api,
    owner: Owner,
    client: &ClientInfo,
    seen: &ObservedState,
    stream_end: StreamEnd,
) {
    let lease = api.leases.take_ended(owner, client);
    if seen.ended.is_some() && !is_in_hand(seen) {
        return close_lease(api, owner, lease, stream_end).await;
    }
    let api_of_work = api.clone();
    let work = async move { close_lease(&api_of_work, owner, lease, stream_end).await };
    api.tasks.spawn_contained("client_end", work);
}

/// A session that cannot be closed now is closed when the lease that it gets runs out.
async fn close_lease(api: &Api, owner: Owner, lease: Lease, stream_end: StreamEnd) {
    if let Err(error) = ends::close(&api.store, owner, &lease, stream_end).await {
        tracing::warn!(session = %owner.session, %error, "a session could not be closed; trying again");
        api.leases
            .put_back(owner.session, owner.epoch, lease.client);
    }
}

/// Takes the watch up again after a restart. A client that ended meanwhile left its transcript.
pub(crate) async fn take_up(api: Api) {
    let clients = match api.store.observed_clients().await {
        Ok(clients) => clients,
        Err(error) => {
            tracing::warn!(%error, "sessions that tell of themselves are not watched until their next event");
            return;
        }
    };
    for (owner, client, seen) in clients {
        if seen.ended.is_some() {
            close(&api, owner, &client, &seen, StreamEnd::NeverReturned).await;
            continue;
        }
        match life(&client) {
            Life::Lives(process) => watch(&api, owner, &client, process),
            Life::Gone => {
                let mut lease = api.leases.take_ended(owner, &client);
                lease.inherited = true;
                close_lease(&api, owner, lease, StreamEnd::NeverReturned).await;
            }
            Life::Unseen => api.leases.keep_unseen(owner, &client),
        }
    }
}
