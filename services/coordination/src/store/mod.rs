//! Everything kept in Redis: scripts, keys and what they mean. Nothing else of the service names Redis.
//!
//! A mutation is one script, which checks versions, owners and fencing tokens where it writes. Times that something
//! ends at are Redis's own.

pub(crate) mod bus;
mod clock;
mod ear;
mod entry_rows;
mod feed;
pub(crate) mod files;
pub(crate) mod inbox;
mod json;
mod keys;
mod lease_rows;
mod ledger;
mod link;
pub(crate) mod locks;
mod news;
mod redlock;
pub(crate) mod registry;
mod reply;
mod script;
pub(crate) mod state;
mod worker_rows;

use std::sync::Arc;

use redis::TlsCertificates;
use shim_runtime::lifecycle::Shutdown;

pub(crate) use clock::timestamp;
pub(crate) use ear::{Ear, Listener, Topic};
pub(crate) use keys::Keys;
pub(crate) use ledger::Once;
pub(crate) use link::Link;
pub(crate) use news::News;

use link::Address;
use redlock::Redlock;

/// The stores of one Redis. Clones share them.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) link: Link,
    pub(crate) ear: Ear,
    pub(crate) keys: Keys,
    pub(crate) state: Arc<state::States>,
    pub(crate) locks: Arc<locks::Locks>,
    pub(crate) files: Arc<files::Files>,
    pub(crate) registry: Arc<registry::Registry>,
    pub(crate) bus: Arc<bus::Bus>,
    pub(crate) inboxes: Arc<inbox::Inboxes>,
}

impl Store {
    /// Begins to connect; calls are answered with `Unavailable` until that succeeded.
    pub(crate) fn open(place: &Place, shutdown: &Shutdown) -> Self {
        let link = Link::open(place.address.clone(), shutdown);
        let ear = Ear::open(place.address.clone(), shutdown);
        let keys = Keys::new(&place.key_prefix);
        let redlock = Redlock::over(&place.lock_nodes, shutdown);
        Self {
            locks: Arc::new(locks::Locks::new(link.clone(), keys.clone(), redlock)),
            registry: Arc::new(registry::Registry::new(link.clone(), &keys)),
            state: Arc::new(state::States::new(link.clone(), keys.clone())),
            files: Arc::new(files::Files::new(link.clone(), keys.clone())),
            bus: Arc::new(bus::Bus::new(link.clone(), ear.clone(), keys.clone())),
            inboxes: Arc::new(inbox::Inboxes::new(link.clone(), ear.clone(), keys.clone())),
            link,
            ear,
            keys,
        }
    }
}

/// Where the store is.
#[derive(Clone)]
pub(crate) struct Place {
    address: Option<Address>,
    /// The nodes of Redlock; none means the one Redis.
    lock_nodes: Vec<Address>,
    key_prefix: String,
}

impl Place {
    /// # Errors
    /// With what is wrong with a URL.
    pub(crate) fn new(
        url: Option<&str>,
        key_prefix: &str,
        lock_nodes: &[String],
        certificates: Option<&TlsCertificates>,
    ) -> Result<Self, String> {
        let parse = |url: &str| Address::parse(url, certificates);
        let address = url.map(parse).transpose()?;
        let lock_nodes = lock_nodes.iter().map(|url| match parse(url)? {
            node @ Address::Node(_) => Ok(node),
            _ => Err("a lock node is one server: redis://, rediss:// or redis+unix://".to_owned()),
        });
        Ok(Self {
            address,
            lock_nodes: lock_nodes.collect::<Result<_, _>>()?,
            key_prefix: key_prefix.to_owned(),
        })
    }
}
