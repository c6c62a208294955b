//! Who owns which session right now: leases held by streams, kept in memory and measured with the monotonic clock.
//!
//! The epoch in the database decides who may write; a lease only tells whether that owner still lives. Losing this
//! table (a restart) costs nothing: every active session gets one fresh lease to come back in.

mod evidence;
pub(crate) mod expiry;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::{ClientInfo, Notice, OwnershipLost};
use tokio::sync::mpsc;
use uuid::Uuid;

/// What a stream must tell its owner.
#[derive(Debug, Clone)]
pub(crate) enum OwnerEvent {
    Notice(Notice),
    OwnershipLost(OwnershipLost),
}

/// One owner's hold on a session.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(crate) epoch: u64,
    pub(crate) client: ClientInfo,
    /// The owner's last sign of life.
    last_seen: Instant,
    /// Kills for lack of memory on this machine when the owner came.
    oom_kills_before: u64,
    memory_pressure: Option<f64>,
    stream: Option<OwnerStream>,
    /// True for leases given at the start of the service to owners that have not come back yet.
    inherited: bool,
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
    by_session: Mutex<HashMap<Uuid, Lease>>,
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

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Lease>> {
        self.by_session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn new_lease(&self, epoch: u64, client: ClientInfo) -> Lease {
        Lease {
            epoch,
            client,
            last_seen: Instant::now(),
            oom_kills_before: evidence::oom_kills(),
            memory_pressure: None,
            stream: None,
            inherited: false,
        }
    }

    /// Gives the owner at `epoch` a lease. An earlier owner's stream is told that it lost the session.
    pub(crate) fn grant(&self, session: Uuid, epoch: u64, client: ClientInfo) {
        let new_lease = self.new_lease(epoch, client);
        let mut leases = self.lock();
        if leases
            .get(&session)
            .is_some_and(|lease| lease.epoch >= epoch)
        {
            return;
        }
        let owner = Some(new_lease.client.clone());
        if let Some(OwnerStream { events, .. }) =
            leases.insert(session, new_lease).and_then(|old| old.stream)
        {
            // A stream so slow that its queue is full learns of it with its next save.
            let _ = events.try_send(OwnerEvent::OwnershipLost(OwnershipLost { epoch, owner }));
        }
    }

    /// Gives an owner of before the restart the chance to come back.
    pub(crate) fn inherit(&self, session: Uuid, epoch: u64, client: ClientInfo) {
        let lease = Lease {
            inherited: true,
            ..self.new_lease(epoch, client)
        };
        self.lock().insert(session, lease);
    }

    /// Ties a stream to the lease of `epoch`; it replaces an older stream of the same owner.
    pub(crate) fn attach(
        &self,
        session: Uuid,
        epoch: u64,
        client: ClientInfo,
        events: mpsc::Sender<OwnerEvent>,
    ) -> Uuid {
        let id = Uuid::now_v7();
        self.grant(session, epoch, client.clone());
        if let Some(lease) = self
            .lock()
            .get_mut(&session)
            .filter(|lease| lease.epoch == epoch)
        {
            lease.last_seen = Instant::now();
            lease.client = client;
            lease.inherited = false;
            lease.stream = Some(OwnerStream { id, events });
        }
        id
    }

    /// The owner lives.
    pub(crate) fn renew(&self, session: Uuid, epoch: u64, memory_pressure: Option<f64>) {
        if let Some(lease) = self
            .lock()
            .get_mut(&session)
            .filter(|lease| lease.epoch == epoch)
        {
            lease.last_seen = Instant::now();
            lease.memory_pressure = memory_pressure.or(lease.memory_pressure);
        }
    }

    /// The owner saved: it lives, with or without a stream.
    pub(crate) fn renew_or_grant(&self, session: Uuid, epoch: u64) {
        let is_current = self
            .lock()
            .get(&session)
            .is_some_and(|lease| lease.epoch == epoch);
        if is_current {
            self.renew(session, epoch, None);
        } else {
            self.grant(session, epoch, ClientInfo::default());
        }
    }

    /// Ends the lease if `stream` still is its stream.
    pub(crate) fn release(&self, session: Uuid, stream: Uuid) -> Option<Lease> {
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
    pub(crate) fn find_by_stream(&self, session: Uuid, stream: Uuid) -> Option<Lease> {
        let leases = self.lock();
        leases
            .get(&session)
            .filter(|lease| lease.stream.as_ref().is_some_and(|s| s.id == stream))
            .cloned()
    }

    /// Keeps the lease, which runs out unless its owner comes back, but not its stream.
    pub(crate) fn clear_stream(&self, session: Uuid, stream: Uuid) {
        if let Some(lease) = self.lock().get_mut(&session)
            && lease.stream.as_ref().is_some_and(|s| s.id == stream)
        {
            lease.stream = None;
        }
    }

    /// Drops the lease of a session that was ended or deleted.
    pub(crate) fn remove(&self, session: Uuid) {
        self.lock().remove(&session);
    }

    /// Takes out every lease that ran out.
    fn take_expired(&self) -> Vec<(Uuid, Lease)> {
        self.lock()
            .extract_if(|_, lease| lease.last_seen.elapsed() >= self.ttl)
            .collect()
    }

    /// Whether a stream holds the session.
    pub(crate) fn is_attached(&self, session: Uuid) -> bool {
        self.lock()
            .get(&session)
            .is_some_and(|lease| lease.stream.is_some())
    }

    /// Tells the owner something, if it listens.
    pub(crate) fn notify(&self, session: Uuid, notice: Notice) {
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
        let session = Uuid::now_v7();
        let (old, mut owner_events) = mpsc::channel(4);
        let stream = leases.attach(session, 1, ClientInfo::default(), old.clone());
        leases.grant(session, 2, ClientInfo::default());
        assert!(
            matches!(owner_events.try_recv().unwrap(), OwnerEvent::OwnershipLost(lost) if lost.epoch == 2)
        );
        assert!(
            leases.release(session, stream).is_none(),
            "the old stream's end concerns nobody"
        );
        leases.attach(session, 1, ClientInfo::default(), old);
        assert!(
            !leases.is_attached(session),
            "epoch 1 holds nothing any more"
        );
    }

    #[test]
    fn silence_expires_a_lease_and_a_heartbeat_keeps_it() {
        let leases = Leases::new(Duration::ZERO);
        let session = Uuid::now_v7();
        leases.grant(session, 1, ClientInfo::default());
        assert_eq!(leases.take_expired().len(), 1);
        let leases = Leases::new(Duration::from_secs(60));
        leases.grant(session, 1, ClientInfo::default());
        leases.renew(session, 1, Some(0.5));
        assert!(leases.take_expired().is_empty());
    }
}
