//! Redlock over one or more nodes (<https://redis.io/docs/latest/develop/use/patterns/distributed-locks/>), by rslock.
//!
//! It decides who may try for a lock's record; the record in the store, with its fencing token, decides who holds it.
//! Without nodes of their own the locks' keys live in the one Redis, and follow it through failovers.

use std::time::Duration;

use redis::Client;
use rslock::{Lock, LockManager};
use tokio::sync::Mutex;

use super::link::{ANSWER_WITHIN, Address, Link};
use crate::error::Error;

/// The nodes of all locks.
pub(super) struct Redlock {
    nodes: Nodes,
}

enum Nodes {
    /// Nodes of their own, which come and go one by one; rslock connects to each again.
    Own(LockManager),
    /// The one Redis; connected anew whenever the link is.
    Shared(Box<Shared>),
    /// No Redis at all.
    Absent,
}

impl Redlock {
    /// Over nodes of their own, or else over the one Redis.
    pub(super) fn over(own: Vec<Client>, shared: Option<Address>, link: &Link) -> Self {
        let nodes = match shared {
            None => Nodes::Absent,
            Some(address) if own.is_empty() => Nodes::Shared(Box::new(Shared {
                address,
                link: link.clone(),
                manager: Mutex::new(None),
            })),
            Some(_) => Nodes::Own(one_try(LockManager::from_clients(own))),
        };
        Self { nodes }
    }

    /// Locks `key` on a majority; `None` if that cannot be had now: somebody has it, or nodes are away.
    pub(super) async fn lock(&self, key: &str, ttl: Duration) -> Result<Option<Lock>, Error> {
        let manager = self.manager().await?;
        let locked = tokio::time::timeout(ANSWER_WITHIN, manager.lock(key, ttl)).await;
        Ok(locked.ok().and_then(Result::ok))
    }

    /// Keeps a lock for longer; `None` if a majority does not have it any more, and then none has.
    pub(super) async fn extend(
        &self,
        key: &str,
        value: &[u8],
        ttl: Duration,
    ) -> Result<Option<Lock>, Error> {
        let manager = self.manager().await?;
        let held = held(&manager, key, value);
        let extended = tokio::time::timeout(ANSWER_WITHIN, manager.extend(&held, ttl)).await;
        Ok(extended.ok().and_then(Result::ok))
    }

    /// Gives a lock back as far as the nodes can be reached; on others it goes with its time.
    pub(super) async fn unlock(&self, key: &str, value: &[u8]) {
        if let Ok(manager) = self.manager().await {
            let held = held(&manager, key, value);
            let _ = tokio::time::timeout(ANSWER_WITHIN, manager.unlock(&held)).await;
        }
    }

    async fn manager(&self) -> Result<LockManager, Error> {
        match &self.nodes {
            Nodes::Own(manager) => Ok(manager.clone()),
            Nodes::Shared(shared) => shared.manager().await,
            Nodes::Absent => Err(Error::NoRedis),
        }
    }
}

/// The one Redis as the only node.
struct Shared {
    address: Address,
    link: Link,
    /// The manager, and the connection of the link it was made with.
    manager: Mutex<Option<(u64, LockManager)>>,
}

impl Shared {
    async fn manager(&self) -> Result<LockManager, Error> {
        let generation = self.link.generation()?;
        let mut current = self.manager.lock().await;
        if let Some((of, manager)) = &*current
            && *of == generation
        {
            return Ok(manager.clone());
        }
        let manager = one_try(self.connect().await?);
        *current = Some((generation, manager.clone()));
        Ok(manager)
    }

    async fn connect(&self) -> Result<LockManager, Error> {
        if let Address::Cluster(client, _) = &self.address {
            return Ok(LockManager::from_cluster_client((**client).clone()));
        }
        let clients = tokio::time::timeout(ANSWER_WITHIN, self.address.clients()).await;
        let clients = clients.ok().and_then(Result::ok);
        let away = || Error::Unavailable("no Sentinel names a master".to_owned());
        clients.map(LockManager::from_clients).ok_or_else(away)
    }
}

/// Who waits for a lock, and for how long, is for the caller to decide.
fn one_try(mut manager: LockManager) -> LockManager {
    manager.set_retry(1, Duration::from_millis(1));
    manager
}

fn held(manager: &LockManager, key: &str, value: &[u8]) -> Lock {
    Lock {
        resource: key.as_bytes().to_vec(),
        val: value.to_vec(),
        validity_time: 0,
        lock_manager: manager.clone(),
    }
}
