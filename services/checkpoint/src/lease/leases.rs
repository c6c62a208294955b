//! The table of leases.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::{ClientInfo, Notice, OwnershipLost, ProcessIdentity};
use shim_runtime::ids::{Epoch, SessionId};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::oom::oom_kills;
use crate::store::Owner;

/// A check of the table comes when it was planned. One that is later by more did not run in time: the machine slept, or the
/// process was stopped. No owner could be heard then.
const LATEST: Duration = Duration::from_secs(1);
/// A client on another machine that tells of itself, idle for this long, is taken for gone.
const LONGEST_UNSEEN: Duration = Duration::from_secs(3_600);

/// An event that a stream passes on to its owner.
#[derive(Debug, Clone)]
pub(crate) enum OwnerEvent {
    Notice(Notice),
    OwnershipLost(OwnershipLost),
    /// The client told the end of the conversation.
    ConversationEnded,
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
    /// The client's process, if the lease lives as long as that: its silence means nothing.
    pub(super) watched: Option<ProcessIdentity>,
    /// True if the client tells of itself and its process cannot be seen from here: it may be silent for long.
    pub(super) is_unseen: bool,
}

#[derive(Debug, Clone)]
struct OwnerStream {
    id: Uuid,
    events: mpsc::Sender<OwnerEvent>,
}

impl Lease {
    /// How long the owner may be silent; `None` for ever, since its end is told otherwise.
    fn longest_silence(&self, ttl: Duration) -> Option<Duration> {
        match (self.watched, self.is_unseen) {
            (Some(_), _) => None,
            (None, true) => Some(ttl.max(LONGEST_UNSEEN)),
            (None, false) => Some(ttl),
        }
    }

    /// Sends the owner's stream an event, if there is a stream with room for it.
    pub(super) fn tell(&self, event: OwnerEvent) {
        if let Some(stream) = &self.stream {
            let _ = stream.events.try_send(event);
        }
    }
}

/// Every lease.
#[derive(Debug)]
pub(crate) struct Leases {
    ttl: Duration,
    by_session: Mutex<HashMap<SessionId, Lease>>,
    /// Processes whose end is waited for.
    pub(super) awaited: Mutex<HashSet<(u32, u64)>>,
    checks: Mutex<Checks>,
}

/// The checks of the table for leases that ran out.
#[derive(Debug)]
struct Checks {
    last: Instant,
    /// When the next one is planned.
    due: Instant,
}

/// What a sign of life found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// The lease, held by a stream.
    Renewed,
    /// The lease without a stream.
    Unattached,
    /// No lease of that owner: it ran out, or the session went to another owner or ended.
    NoLease,
}

impl Leases {
    pub(crate) fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            by_session: Mutex::default(),
            awaited: Mutex::default(),
            checks: Mutex::new(Checks {
                last: Instant::now(),
                due: Instant::now(),
            }),
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

    pub(super) fn new_lease(epoch: Epoch, client: ClientInfo) -> Lease {
        Lease {
            epoch,
            client,
            last_seen: Instant::now(),
            oom_kills_before: oom_kills(),
            memory_pressure: None,
            stream: None,
            inherited: false,
            watched: None,
            is_unseen: false,
        }
    }

    /// Gives the owner a lease. The stream of an earlier owner gets the event that it lost the session.
    pub(crate) fn grant(&self, owner: Owner, client: ClientInfo) {
        let Owner { session, epoch } = owner;
        let mut new_lease = Self::new_lease(epoch, client);
        let mut leases = self.lock();
        if leases
            .get(&session)
            .is_some_and(|lease| lease.epoch >= epoch)
        {
            return;
        }
        // The next epoch of the same client: a gateway of it came.
        let watched = leases.get(&session).and_then(|lease| lease.watched);
        let is_same = |process: &ProcessIdentity| Some(*process) == new_lease.client.client_process;
        new_lease.watched = watched.filter(is_same);
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

    /// Ties the stream `id` to the owner's lease; it replaces an older stream of the same owner.
    pub(crate) fn attach(
        &self,
        owner: Owner,
        client: ClientInfo,
        id: Uuid,
        events: mpsc::Sender<OwnerEvent>,
    ) {
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
    }

    /// The owner lives.
    pub(crate) fn renew(&self, owner: Owner, memory_pressure: Option<f64>) -> Renewal {
        let mut leases = self.lock();
        let Some(lease) = leases
            .get_mut(&owner.session)
            .filter(|lease| lease.epoch == owner.epoch)
        else {
            return Renewal::NoLease;
        };
        lease.last_seen = Instant::now();
        lease.memory_pressure = memory_pressure.or(lease.memory_pressure);
        match lease.stream {
            Some(_) => Renewal::Renewed,
            None => Renewal::Unattached,
        }
    }

    /// The owner saved: it lives, with or without a stream.
    pub(crate) fn renew_or_grant(&self, owner: Owner) {
        if self.renew(owner, None) == Renewal::NoLease {
            self.grant(owner, ClientInfo::default());
        }
    }

    /// The lease of this very owner, if there is one.
    pub(super) fn find(&self, owner: Owner) -> Option<Lease> {
        let leases = self.lock();
        let lease = leases.get(&owner.session)?;
        (lease.epoch == owner.epoch).then(|| lease.clone())
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

    /// Takes out every lease that ran out by `now`. A pause in which this process did not run counts against no owner.
    pub(super) fn take_expired(&self, now: Instant) -> Vec<(SessionId, Lease)> {
        let pause = self.pause_until(now);
        let mut leases = self.lock();
        if !pause.is_zero() {
            tracing::info!(
                ?pause,
                "this process did not run; every lease is extended by that"
            );
            for lease in leases.values_mut() {
                lease.last_seen = (lease.last_seen + pause).min(now);
            }
        }
        let is_expired = |lease: &Lease| {
            let ttl = lease.longest_silence(self.ttl);
            ttl.is_some_and(|ttl| now.saturating_duration_since(lease.last_seen) >= ttl)
        };
        leases.extract_if(|_, lease| is_expired(lease)).collect()
    }

    /// How long it is until the first of the leases that are known now runs out, if nobody renews it.
    pub(super) fn next_check(&self, now: Instant) -> Duration {
        let left = |lease: &Lease| {
            let ttl = lease.longest_silence(self.ttl)?;
            Some((lease.last_seen + ttl).saturating_duration_since(now))
        };
        let leases = self.lock();
        leases
            .values()
            .filter_map(left)
            .min()
            .unwrap_or(Duration::MAX)
    }

    /// The next check is planned after this time.
    pub(super) fn expect_check_in(&self, wait: Duration) {
        self.checks().due = Instant::now() + wait;
    }

    fn checks(&self) -> MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since the check before, if this process did not run in some of it; else zero. How much of it is unknown: an
    /// owner that is gone is noticed later rather than one that lives is taken for gone.
    fn pause_until(&self, now: Instant) -> Duration {
        let mut checks = self.checks();
        let since = now.saturating_duration_since(checks.last);
        let is_late = now > checks.due + LATEST;
        (checks.last, checks.due) = (now, now);
        if is_late { since } else { Duration::ZERO }
    }

    /// Whether a stream holds the session.
    pub(crate) fn is_attached(&self, session: SessionId) -> bool {
        self.lock()
            .get(&session)
            .is_some_and(|lease| lease.stream.is_some())
    }

    /// Sends the owner's stream a notice, if there is a stream with room for it.
    pub(crate) fn notify(&self, session: SessionId, notice: Notice) {
        if let Some(lease) = self.lock().get(&session) {
            lease.tell(OwnerEvent::Notice(notice));
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
        let stream = Uuid::now_v7();
        leases.attach(owner(1), ClientInfo::default(), stream, old.clone());
        leases.grant(owner(2), ClientInfo::default());
        assert!(
            matches!(owner_events.try_recv().unwrap(), OwnerEvent::OwnershipLost(lost) if lost.epoch == 2)
        );
        assert!(
            leases.release(session, stream).is_none(),
            "the old stream's end has no effect"
        );
        leases.attach(owner(1), ClientInfo::default(), Uuid::now_v7(), old);
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
        assert_eq!(leases.take_expired(Instant::now()).len(), 1);
        assert_eq!(leases.renew(owner, None), Renewal::NoLease);
        let leases = Leases::new(Duration::from_secs(60));
        leases.grant(owner, ClientInfo::default());
        assert_eq!(leases.renew(owner, Some(0.5)), Renewal::Unattached);
        assert!(leases.take_expired(Instant::now()).is_empty());
    }

    #[test]
    fn time_in_which_this_process_did_not_run_counts_against_nobody() {
        let (ttl, often) = (Duration::from_secs(15), Duration::from_millis(250));
        for (name, slept) in [
            ("a nap", 40),
            ("a night", 40_000),
            ("just longer than a lease", 16),
        ] {
            let leases = Leases::new(ttl);
            leases.grant(Owner::new(SessionId::new(), 1), ClientInfo::default());
            let awake = Instant::now() + often;
            assert!(leases.take_expired(awake).is_empty(), "{name}");
            let woken = awake + Duration::from_secs(slept);
            assert!(leases.take_expired(woken).is_empty(), "{name}");
            let mut now = woken;
            while now < woken + ttl - Duration::from_secs(2) {
                now += often;
                assert!(leases.take_expired(now).is_empty(), "{name}");
            }
            let mut expired = 0;
            while now < woken + ttl + Duration::from_secs(1) {
                now += often;
                expired += leases.take_expired(now).len();
            }
            assert_eq!(expired, 1, "{name}: silence while awake still counts");
        }
    }
}
