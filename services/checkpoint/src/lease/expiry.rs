//! Interrupting sessions whose owner was lost: at once when its stream breaks, or when its lease runs out.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::{Attach, ClientInfo};
use shim_runtime::ids::SessionId;
use shim_runtime::lifecycle::Shutdown;
use uuid::Uuid;

use super::leases::{Lease, Leases};
use super::{ends, evidence};
use crate::domain::cause::StreamEnd;
use crate::error::Error;
use crate::store::{Owner, Store};

/// The longest time between two checks. A lease that is known at a check is looked at when it runs out, not later; one that
/// begins after it lasts longer than this, unless it was configured shorter.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The shortest, and how late a lease may be noticed that was shortened meanwhile.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);

/// Gives every session that was active when the service last stopped one lease to come back in; those of another
/// boot are interrupted at once, but for those whose clients tell of themselves: their transcripts take time
/// ([`super::observed::take_up`]).
///
/// # Errors
/// If the database cannot be read.
pub(crate) async fn inherit_active(store: &Store, leases: &Leases) -> Result<(), Error> {
    let observed = store.observed_clients().await?;
    let observed: HashSet<SessionId> = observed.iter().map(|(owner, ..)| owner.session).collect();
    for session in store.active_sessions().await? {
        let Ok(id) = session.id.parse::<SessionId>() else {
            continue;
        };
        let client = session.client.unwrap_or_default();
        leases.inherit(Owner::new(id, session.epoch), client);
        let lease = leases.lock().get(&id).cloned();
        if let Some(lease) = lease.filter(|lease| {
            !observed.contains(&id) && evidence::collect(lease, StreamEnd::Silent).rebooted
        }) {
            leases.remove(id);
            interrupt(store, id, &lease, StreamEnd::NeverReturned).await?;
        }
    }
    Ok(())
}

/// Interrupts sessions whose leases run out, until the shutdown begins. Failures are logged and tried again: the
/// session stays active in the database, and the next start of the service inherits it.
pub(crate) async fn run(store: Store, leases: Arc<Leases>, shutdown: Shutdown) {
    loop {
        let wait = leases.next_check(Instant::now());
        let wait = wait.clamp(
            SHORTEST_WAIT,
            LONGEST_WAIT.min(leases.ttl() / 2).max(SHORTEST_WAIT),
        );
        leases.expect_check_in(wait);
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(wait) => {}
        }
        for (session, lease) in leases.take_expired(Instant::now()) {
            let owner = Owner {
                session,
                epoch: lease.epoch,
            };
            if let Err(error) = interrupt(&store, session, &lease, StreamEnd::Silent).await {
                tracing::warn!(%session, %error, "an expired session could not be interrupted; trying again");
                leases.inherit(owner, lease.client);
            } else if let Some(returned) = leases.find(owner) {
                reactivate(&store, owner, returned.client).await;
            }
        }
    }
}

/// An owner came back while its session was being interrupted: the session is active after all.
async fn reactivate(store: &Store, owner: Owner, client: ClientInfo) {
    let attach = Attach {
        session_id: owner.session.to_string(),
        epoch: owner.epoch.0,
        client: Some(client),
    };
    if let Err(error) = store.attach_session(owner.session, attach).await {
        tracing::debug!(session = %owner.session, %error, "an owner that came back is not let in");
    }
}

/// Handles the end of an owner's stream. A session that lives as long as its client's process outlives it, however it ended.
pub(crate) async fn handle_stream_end(
    store: &Store,
    leases: &Leases,
    session: SessionId,
    stream: Uuid,
    stream_end: StreamEnd,
) {
    if leases.outlives_stream(session, stream) {
        return;
    }
    if stream_end == StreamEnd::Broken {
        let Some(lease) = leases.find_by_stream(session, stream) else {
            return;
        };
        if evidence::gateway_survives(&lease).await == Some(true) {
            // The connection broke but the owner lives: it has the rest of its lease to come back.
            leases.clear_stream(session, stream);
            return;
        }
    }
    let Some(lease) = leases.release(session, stream) else {
        return;
    };
    if let Err(error) = interrupt(store, session, &lease, stream_end).await {
        tracing::warn!(%session, %error, "a lost session could not be interrupted; its lease will");
        let epoch = lease.epoch;
        leases.inherit(Owner { session, epoch }, lease.client);
    }
}

async fn interrupt(
    store: &Store,
    session: SessionId,
    lease: &Lease,
    stream_end: StreamEnd,
) -> Result<(), Error> {
    let owner = Owner {
        session,
        epoch: lease.epoch,
    };
    ends::close(store, owner, lease, stream_end).await
}
