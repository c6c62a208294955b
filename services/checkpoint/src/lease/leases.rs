//! The table of leases.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::{ClientInfo, Notice, OwnershipLost};
use shim_runtime::ids::{Epoch, SessionId};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::oom::oom_kills;
use crate::store::Owner;

/// An event that a stream passes on to its owner.
#[derive(Debug, Clone)]
pub(crate) enum OwnerEvent {
    Notice(Notice),
    OwnershipLost(OwnershipLost),
}

/// One owner's hold on a session.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(super) epoch: Epoch,
    pub(super) client: ClientInfo,
    /// The owner's last sign of life.
    pub(super) last_seen: Instant,
    /// Kills for lack of memory on this machine when the owner came.
    pub(super) oom_kills_before: u64,
    pub(super) memory_pressure: Option<f64>,
    stream: Option<OwnerStream>,
    /// True for leases given at the start of the service to owners that have not come back yet.
    pub(super) inherited: bool,
}

#[derive(Debug, Clone)]
struct OwnerStream {
    id: Uuid,
    events: mpsc::Sender<OwnerEvent>,
}

/// Every lease.
#[derive(Debug)]
pub(crate) struct Leases {
    ttl: Duration,
    by_session: Mutex<HashMap<SessionId, Lease>>,
}

impl Leases {
    pub(crate) fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            by_session: Mutex::default(),
        }
    }

    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Lease>> {
        self.by_session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn new_lease(epoch: Epoch, client: ClientInfo) -> Lease {
        Lease {
            epoch,
            client,
            last_seen: Instant::now(),
            oom_kills_before: oom_kills(),
            memory_pressure: None,
            stream: None,
            inherited: false,
        }
    }

    /// Gives the owner a lease. The stream of an earlier owner gets the event that it lost the session.
    pub(crate) fn grant(&self, owner: Owner, client: ClientInfo) {
        let Owner { session, epoch } = owner;
        let new_lease = Self::new_lease(epoch, client);
        let mut leases = self.lock();
        if leases
            .get(&session)
            .is_some_and(|lease| lease.epoch >= epoch)
        {
            return;
        }
        let new_owner = Some(new_lease.client.clone());
        if let Some(OwnerStream { events, .. }) =
            leases.insert(session, new_lease).and_then(|old| old.stream)
        {
            // A stream so slow that its queue is full learns of it with its next save.
            let _ = events.try_send(OwnerEvent::OwnershipLost(OwnershipLost {
                epoch: epoch.0,
                owner: new_owner,
            }));
        }
    }

    /// Gives an owner of before the restart the chance to come back.
    pub(crate) fn inherit(&self, owner: Owner, client: ClientInfo) {
        let lease = Lease {
            inherited: true,
            ..Self::new_lease(owner.epoch, client)
        };
        self.lock().insert(owner.session, lease);
    }

    /// Ties a stream to the owner's lease; it replaces an older stream of the same owner.
    pub(crate) fn attach(
        &self,
        owner: Owner,
        client: ClientInfo,
        events: mpsc::Sender<OwnerEvent>,
    ) -> Uuid {
        let id = Uuid::now_v7();
        self.grant(owner, client.clone());
        if let Some(lease) = self
            .lock()
            .get_mut(&owner.session)
            .filter(|lease| lease.epoch == owner.epoch)
        {
            lease.last_seen = Instant::now();
            lease.client = client;
            lease.inherited = false;
            lease.stream = Some(OwnerStream { id, events });
        }
        id
    }

    /// The owner lives.
    pub(crate) fn renew(&self, owner: Owner, memory_pressure: Option<f64>) {
        if let Some(lease) = self
            .lock()
            .get_mut(&owner.session)
            .filter(|lease| lease.epoch == owner.epoch)
        {
            lease.last_seen = Instant::now();
            lease.memory_pressure = memory_pressure.or(lease.memory_pressure);
        }
    }

    /// The owner saved: it lives, with or without a stream.
    pub(crate) fn renew_or_grant(&self, owner: Owner) {
        let is_current = self
            .lock()
            .get(&owner.session)
            .is_some_and(|lease| lease.epoch == owner.epoch);
        if is_current {
            self.renew(owner, None);
        } else {
            self.grant(owner, ClientInfo::default());
        }
    }

    /// Ends the lease if `stream` still is its stream.
    pub(crate) fn release(&self, session: SessionId, stream: Uuid) -> Option<Lease> {
        let mut leases = self.lock();
        let is_its_stream = leases
            .get(&session)
            .and_then(|lease| lease.stream.as_ref())
            .is_some_and(|s| s.id == stream);
        if is_its_stream {
            leases.remove(&session)
        } else {
            None
        }
    }

    /// The lease whose stream this still is.
    pub(crate) fn find_by_stream(&self, session: SessionId, stream: Uuid) -> Option<Lease> {
        let leases = self.lock();
        leases
            .get(&session)
            .filter(|lease| lease.stream.as_ref().is_some_and(|s| s.id == stream))
            .cloned()
    }

    /// Keeps the lease, which runs out unless its owner comes back, but not its stream.
    pub(crate) fn clear_stream(&self, session: SessionId, stream: Uuid) {
        if let Some(lease) = self.lock().get_mut(&session)
            && lease.stream.as_ref().is_some_and(|s| s.id == stream)
        {
            lease.stream = None;
        }
    }

    /// Drops the lease of a session that was ended or deleted.
    pub(crate) fn remove(&self, session: SessionId) {
        self.lock().remove(&session);
    }

    /// Takes out every lease that ran out.
    pub(super) fn take_expired(&self) -> Vec<(SessionId, Lease)> {
        self.lock()
            .extract_if(|_, lease| lease.last_seen.elapsed() >= self.ttl)
            .collect()
    }

    /// Whether a stream holds the session.
    pub(crate) fn is_attached(&self, session: SessionId) -> bool {
        self.lock()
            .get(&session)
            .is_some_and(|lease| lease.stream.is_some())
    }

    /// Sends the owner's stream a notice, if there is a stream with room for it.
    pub(crate) fn notify(&self, session: SessionId, notice: Notice) {
        if let Some(OwnerStream { events, .. }) = self
            .lock()
            .get(&session)
            .and_then(|lease| lease.stream.as_ref())
        {
            let _ = events.try_send(OwnerEvent::Notice(notice));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_new_owner_displaces_the_old_stream_and_a_stale_one_cannot_return() {
        let leases = Leases::new(Duration::from_secs(15));
        let session = SessionId::new();
        let owner = |epoch| Owner::new(session, epoch);
        let (old, mut owner_events) = mpsc::channel(4);
        let stream = leases.attach(owner(1), ClientInfo::default(), old.clone());
        leases.grant(owner(2), ClientInfo::default());
        assert!(
            matches!(owner_events.try_recv().unwrap(), OwnerEvent::OwnershipLost(lost) if lost.epoch == 2)
        );
        assert!(
            leases.release(session, stream).is_none(),
            "the old stream's end has no effect"
        );
        leases.attach(owner(1), ClientInfo::default(), old);
        assert!(
            !leases.is_attached(session),
            "epoch 1 holds nothing any more"
        );
    }

    #[test]
    fn silence_expires_a_lease_and_a_heartbeat_keeps_it() {
        let leases = Leases::new(Duration::ZERO);
        let owner = Owner::new(SessionId::new(), 1);
        leases.grant(owner, ClientInfo::default());
        assert_eq!(leases.take_expired().len(), 1);
        let leases = Leases::new(Duration::from_secs(60));
        leases.grant(owner, ClientInfo::default());
        leases.renew(owner, Some(0.5));
        assert!(leases.take_expired().is_empty());
    }
}
