//! Everything kept in Redis: scripts, keys and what they mean. The services on it name no Redis of their own.
//!
//! A mutation is one script, which checks versions, owners and fencing tokens where it writes. Times that something
//! ends at are Redis's own. `domain` holds what is decided outside of Redis, without a clock or a connection. The crate's
//! README says where Redis is and how the keys are laid out.

pub mod bus;
mod clock;
pub mod config;
pub mod domain;
mod ear;
mod entry_rows;
mod error;
mod feed;
pub mod files;
pub mod inbox;
mod json;
mod keys;
mod lease_rows;
mod ledger;
mod link;
pub mod locks;
mod news;
mod redlock;
pub mod registry;
mod reply;
mod script;
pub mod state;
mod tally;
pub mod tasks;
mod worker_rows;

use std::sync::Arc;

use redis::TlsCertificates;
use shim_runtime::lifecycle::Shutdown;

pub use clock::timestamp;
pub use config::Config;
pub use ear::{Ear, Listener, Topic};
pub use error::Error;
pub use keys::{Keys, Slot};
pub use ledger::Once;
pub use link::{Health, Link};
pub use news::News;

use link::Address;
use redlock::Redlock;

/// The stores of one Redis. Clones share them.
#[derive(Clone)]
pub struct Store {
    /// The connection, and whether Redis can be reached.
    pub link: Link,
    /// Hears what is published, by Redis's names.
    pub ear: Ear,
    /// Redis's names.
    pub keys: Keys,
    /// Versioned entries.
    pub state: Arc<state::States>,
    /// Locks with fencing tokens.
    pub locks: Arc<locks::Locks>,
    /// Leases on files.
    pub files: Arc<files::Files>,
    /// Workers, living and gone.
    pub registry: Arc<registry::Registry>,
    /// News for whoever listens now.
    pub bus: Arc<bus::Bus>,
    /// Messages kept until they are acknowledged.
    pub inboxes: Arc<inbox::Inboxes>,
    /// Tasks, and who works on them.
    pub tasks: Arc<tasks::Tasks>,
    beats: config::Registry,
}

impl Store {
    /// Begins to connect to the Redis that is configured; see [`Store::open`].
    ///
    /// # Errors
    /// If a URL is wrong, which [`Config::read`] told already.
    pub fn open_at(config: &Config, shutdown: &Shutdown) -> Result<Self, String> {
        Ok(Self {
            beats: config.registry,
            ..Self::open(&config.place()?, shutdown)
        })
    }

    /// Begins to connect, in tasks that end with the shutdown; calls are answered with `Unavailable` until that
    /// succeeded, and with `NoRedis` for ever if the place names none.
    pub fn open(place: &Place, shutdown: &Shutdown) -> Self {
        let link = Link::open(place.address.clone(), shutdown);
        let ear = Ear::open(place.address.clone(), shutdown);
        let keys = Keys::new(&place.key_prefix);
        let redlock = Redlock::over(&place.lock_nodes, shutdown);
        let files = Arc::new(files::Files::new(link.clone(), keys.clone()));
        let inboxes = Arc::new(inbox::Inboxes::new(link.clone(), ear.clone(), keys.clone()));
        let tasks = tasks::Tasks::new(link.clone(), &keys, files.clone(), inboxes.clone());
        Self {
            locks: Arc::new(locks::Locks::new(link.clone(), keys.clone(), redlock)),
            registry: Arc::new(registry::Registry::new(link.clone(), &keys)),
            state: Arc::new(state::States::new(link.clone(), keys.clone())),
            files,
            bus: Arc::new(bus::Bus::new(link.clone(), ear.clone(), keys.clone())),
            inboxes,
            tasks: Arc::new(tasks),
            beats: config::Registry::default(),
            link,
            ear,
            keys,
        }
    }

    /// How often workers should be heard, and when their silence is death.
    #[must_use]
    pub fn beats(&self) -> config::Registry {
        self.beats
    }
}

/// Where the store is.
#[derive(Clone)]
pub struct Place {
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
            node @ Address::Node(..) => Ok(node),
            _ => Err("a lock node is one server: redis://, rediss:// or redis+unix://".to_owned()),
        });
        Ok(Self {
            address,
            lock_nodes: lock_nodes.collect::<Result<_, _>>()?,
            key_prefix: key_prefix.to_owned(),
        })
    }
}
