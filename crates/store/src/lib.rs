//! Everything kept in Redis: scripts, keys and what they mean. The services on it name no Redis of their own.
//!
//! A mutation is one script, which checks versions, owners and fencing tokens where it writes. Times that something
//! ends at are Redis's own. `domain` holds what is decided outside of Redis, without a clock or a connection. The crate's
//! README says where Redis is and how the keys are laid out.

mod bullmq;
pub mod bus;
mod change_log;
mod clock;
pub mod config;
mod connection;
pub mod domain;
mod entry_rows;
mod error;
pub mod files;
pub mod health;
mod idempotency;
pub mod inbox;
mod json;
mod keys;
mod lease_rows;
pub mod locks;
mod metrics;
mod msgpack;
mod publication;
mod pubsub;
mod redlock;
pub mod registry;
mod reply;
mod script;
pub mod state;
pub mod tasks;
mod worker_rows;

use std::sync::Arc;

use redis::TlsCertificates;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;

pub use clock::timestamp;
pub use config::Config;
pub use connection::{ConnectionHealth, RedisConnection};
pub use error::Error;
pub use idempotency::IdempotencyKey;
pub use keys::{Keys, Slot};
pub use publication::Publication;
pub use pubsub::{Subscriber, Topic, TopicSubscription};

use connection::Address;
use redlock::Redlock;

/// The stores of one Redis. Clones share them.
#[derive(Clone)]
pub struct Store {
    /// The connection, and whether Redis can be reached.
    pub connection: RedisConnection,
    /// Hears what is published, by Redis's names.
    pub pubsub: Subscriber,
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
    /// Publications for whoever listens now.
    pub bus: Arc<bus::Bus>,
    /// Messages kept until they are acknowledged.
    pub inboxes: Arc<inbox::Inboxes>,
    /// Tasks, and who works on them.
    pub tasks: Arc<tasks::Tasks>,
    registry_config: config::RegistryConfig,
}

impl Store {
    /// Begins to connect to the Redis that is configured; see [`Store::open`].
    ///
    /// # Errors
    /// If a URL is wrong, which [`Config::read`] told already.
    pub fn open_at(config: &Config, shutdown: &Shutdown) -> Result<Self, String> {
        Ok(Self {
            registry_config: config.registry,
            ..Self::open(&config.redis_config()?, shutdown)
        })
    }

    /// Begins to connect, in tasks that end with the shutdown; calls are answered with `Unavailable` until that
    /// succeeded, and with `NoRedis` for ever if the place names none.
    pub fn open(config: &RedisConfig, shutdown: &Shutdown) -> Self {
        let connection = RedisConnection::open(config.address.clone(), shutdown);
        let pubsub = Subscriber::open(config.address.clone(), shutdown);
        let keys = Keys::new(&config.key_prefix);
        let redlock = Redlock::connect(&config.lock_nodes, shutdown);
        let files = Arc::new(files::Files::new(connection.clone(), keys.clone()));
        let inboxes = Arc::new(inbox::Inboxes::new(
            connection.clone(),
            pubsub.clone(),
            keys.clone(),
        ));
        let tasks = tasks::Tasks::new(
            connection.clone(),
            &keys,
            files.clone(),
            inboxes.clone(),
            &BackgroundTasks::new("store", shutdown),
        );
        Self {
            locks: Arc::new(locks::Locks::new(connection.clone(), keys.clone(), redlock)),
            registry: Arc::new(registry::Registry::new(connection.clone(), &keys)),
            state: Arc::new(state::States::new(connection.clone(), keys.clone())),
            files,
            bus: Arc::new(bus::Bus::new(
                connection.clone(),
                pubsub.clone(),
                keys.clone(),
            )),
            inboxes,
            tasks: Arc::new(tasks),
            registry_config: config::RegistryConfig::default(),
            connection,
            pubsub,
            keys,
        }
    }

    /// How often workers should be heard, and when their silence is death.
    #[must_use]
    pub fn registry_config(&self) -> config::RegistryConfig {
        self.registry_config
    }
}

/// Where the store is.
#[derive(Clone)]
pub struct RedisConfig {
    address: Option<Address>,
    /// The nodes of Redlock; none means the one Redis.
    lock_nodes: Vec<Address>,
    key_prefix: String,
}

impl RedisConfig {
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
