//! Leases that live as long as their client's process.

use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use shim_proto::checkpoint::v1::{ClientInfo, ProcessIdentity};
use shim_runtime::ids::{Epoch, SessionId};
use uuid::Uuid;

use super::leases::{Lease, Leases, OwnerEvent};
use crate::store::Owner;

impl Leases {
    /// The owner lives as long as this process. Answers whether somebody must begin to wait for its end.
    pub(super) fn watch(
        &self,
        owner: Owner,
        client: &ClientInfo,
        process: ProcessIdentity,
    ) -> bool {
        self.keep(owner, client, |lease| {
            lease.watched = Some(process);
            lease.is_unseen = false;
        });
        self.awaited().insert(key(process))
    }

    /// Whether the owner's process is watched: then its end will be told, and its events tell nothing new of its life.
    pub(super) fn is_watched(&self, owner: Owner) -> bool {
        let leases = self.lock();
        let lease = leases.get(&owner.session);
        lease.is_some_and(|lease| lease.epoch == owner.epoch && lease.watched.is_some())
    }

    /// The owner lives, but its process cannot be seen from here.
    pub(super) fn keep_unseen(&self, owner: Owner, client: &ClientInfo) {
        self.keep(owner, client, |lease| lease.is_unseen = true);
    }

    fn keep(&self, owner: Owner, client: &ClientInfo, change: impl FnOnce(&mut Lease)) {
        self.grant(owner, client.clone());
        let mut leases = self.lock();
        let lease = leases.get_mut(&owner.session);
        if let Some(lease) = lease.filter(|lease| lease.epoch == owner.epoch) {
            lease.last_seen = Instant::now();
            lease.inherited = false;
            if lease.client.client_process.is_none() {
                lease.client = client.clone();
            }
            change(lease);
        }
    }

    fn awaited(&self) -> MutexGuard<'_, HashSet<(u32, u64)>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the leases of a process that is gone.
    pub(super) fn take_of_process(&self, process: ProcessIdentity) -> Vec<(SessionId, Lease)> {
        self.awaited().remove(&key(process));
        self.lock()
            .extract_if(|_, lease| lease.watched == Some(process))
            .collect()
    }

    /// Takes out the lease of a conversation that its client ended, or a new one if there is none. A stream learns of it.
    pub(super) fn take_ended(&self, owner: Owner, client: &ClientInfo) -> Lease {
        let lease = {
            let mut leases = self.lock();
            let is_owners = leases
                .get(&owner.session)
                .is_some_and(|lease| lease.epoch == owner.epoch);
            is_owners.then(|| leases.remove(&owner.session)).flatten()
        };
        let lease = lease.unwrap_or_else(|| Self::new_lease(owner.epoch, client.clone()));
        lease.tell(OwnerEvent::ConversationEnded);
        lease
    }

    /// Whether the lease whose stream this still is lives as long as its client's process. Then it does without the stream.
    pub(super) fn outlives_stream(&self, session: SessionId, stream: Uuid) -> bool {
        let lease = self.find_by_stream(session, stream);
        let outlives = lease.is_some_and(|lease| lease.watched.is_some());
        if outlives {
            self.clear_stream(session, stream);
        }
        outlives
    }

    /// The lease goes on at its own epoch after all.
    pub(super) fn put_back(&self, session: SessionId, epoch: Epoch, client: ClientInfo) {
        self.inherit(Owner { session, epoch }, client);
    }
}

fn key(process: ProcessIdentity) -> (u32, u64) {
    (process.pid, process.start_ticks)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn process(pid: u32) -> ProcessIdentity {
        ProcessIdentity {
            pid,
            start_ticks: 7,
        }
    }

    #[test]
    fn a_watched_lease_needs_no_sign_of_life_and_ends_with_its_process() {
        let leases = Leases::new(Duration::from_secs(15));
        let (mine, other) = (
            Owner::new(SessionId::new(), 1),
            Owner::new(SessionId::new(), 1),
        );
        let client = ClientInfo::default();
        assert!(leases.watch(mine, &client, process(1)));
        assert!(!leases.watch(mine, &client, process(1)), "it is waited for");
        assert!(leases.watch(other, &client, process(2)));
        leases.keep_unseen(Owner::new(SessionId::new(), 1), &client);
        let mut now = Instant::now();
        let mut expired = 0;
        for _ in 0..3_700 {
            now += Duration::from_secs(1);
            expired += leases.take_expired(now).len();
        }
        assert_eq!(expired, 1, "one that nobody sees is not kept for ever");
        let gone = leases.take_of_process(process(1));
        assert_eq!(gone.len(), 1);
        assert_eq!(
            gone.first().map(|(session, _)| *session),
            Some(mine.session)
        );
        assert!(leases.take_of_process(process(1)).is_empty());
        assert!(leases.watch(mine, &client, process(1)), "it begins anew");
    }

    #[test]
    fn a_lease_with_a_watch_outlives_its_stream_and_an_end_is_told_to_it() {
        let leases = Leases::new(Duration::from_secs(15));
        let owner = Owner::new(SessionId::new(), 1);
        let (events, mut told) = tokio::sync::mpsc::channel(4);
        let (stream, client) = (Uuid::now_v7(), ClientInfo::default());
        leases.attach(owner, client.clone(), stream, events.clone());
        assert!(!leases.outlives_stream(owner.session, stream));
        leases.watch(owner, &client, process(1));
        assert!(leases.outlives_stream(owner.session, stream));
        assert!(!leases.is_attached(owner.session));
        leases.attach(owner, client.clone(), stream, events);
        leases.take_ended(owner, &client);
        assert!(matches!(told.try_recv(), Ok(OwnerEvent::ConversationEnded)));
        assert!(leases.find(owner).is_none());
    }
}
