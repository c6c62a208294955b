//! The store: everything that is kept in Redis, as scripts, keys and their meaning. A service on it opens no Redis of its own.
//!
//! A mutation is one script, which checks versions, owners and fencing tokens where it writes. Every end of a lifetime is a
//! time of Redis's own clock. `domain` holds the decisions that are made outside of Redis, without a clock or a connection.
//! The crate's README says how Redis is found and how the keys are laid out.

mod bullmq;
pub mod bus;
mod change_log;
mod clock;
pub mod config;
mod connection;
pub mod domain;
mod error;
mod fence;
pub mod files;
pub mod health;
mod idempotency;
pub mod inbox;
mod inbox_ids;
mod json;
mod keys;
pub mod locks;
mod metrics;
mod msgpack;
pub mod places;
mod publication;
mod pubsub;
mod redis_config;
pub mod registry;
mod reply;
mod script;
mod script_values;
pub mod sizes;
pub mod state;
pub mod tasks;

use std::sync::Arc;

use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;

pub use clock::timestamp;
pub use config::Config;
pub use connection::{ConnectionHealth, RedisConnection};
pub use error::Error;
pub use fence::Fence;
pub use idempotency::IdempotencyKey;
pub use keys::{Keys, Slot};
pub use publication::Publication;
pub use pubsub::{Subscriber, Topic, TopicSubscription};
pub use redis_config::RedisConfig;

use locks::Redlock;

/// The stores of one Redis. Clones share them.
#[derive(Clone)]
pub struct Store {
    /// The connection, and whether Redis can be reached.
    pub connection: RedisConnection,
    /// The subscriptions of the process, by Redis's names.
    pub pubsub: Subscriber,
    /// The names of keys and channels in Redis.
    pub keys: Keys,
    /// Versioned entries.
    pub state: Arc<state::States>,
    /// Locks with fencing tokens.
    pub locks: Arc<locks::Locks>,
    /// Leases on files.
    pub files: Arc<files::Files>,
    /// Workers, living and gone.
    pub registry: Arc<registry::Registry>,
    /// Publications for the present subscribers.
    pub bus: Arc<bus::Bus>,
    /// The namespaces and inboxes that there are.
    pub places: places::Places,
    /// Messages kept until they are acknowledged.
    pub inboxes: Arc<inbox::Inboxes>,
    /// What all this takes of Redis's memory.
    pub sizes: Arc<sizes::Sizes>,
    /// Tasks, and their workers.
    pub tasks: Arc<tasks::Tasks>,
    registry_config: config::RegistryConfig,
    background: BackgroundTasks,
}

impl Store {
    /// Begins to connect to the Redis that is configured; see [`Store::open`].
    ///
    /// # Errors
    /// If a URL is wrong, which [`Config::read`] refused already.
    pub fn open_at(config: &Config, shutdown: &Shutdown) -> Result<Self, String> {
        Ok(Self {
            registry_config: config.registry,
            ..Self::open(&config.redis_config()?, shutdown)
        })
    }

    /// Begins to connect, in tasks that end with the shutdown. Calls answer `Unavailable` until a connection is made, and
    /// always `NoRedis` if no Redis is configured.
    pub fn open(config: &RedisConfig, shutdown: &Shutdown) -> Self {
        let background = BackgroundTasks::new("store", shutdown);
        let connection =
            RedisConnection::open_beside_subscriptions(config.address.clone(), &background);
        let pubsub = Subscriber::open(config.address.clone(), connection.probe(), &background);
        let keys = Keys::new(&config.key_prefix);
        let redlock = Redlock::connect(&config.lock_nodes, &background);
        let files = Arc::new(files::Files::new(connection.clone(), keys.clone()));
        let places = places::Places::new(connection.clone(), keys.clone());
        let inboxes = open_inboxes(&connection, &pubsub, &keys, &places);
        let tasks = tasks::Tasks::new(
            connection.clone(),
            &keys,
            files.clone(),
            inboxes.clone(),
            &background,
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
            places,
            inboxes,
            sizes: Arc::new(sizes::Sizes::new(connection.clone(), &keys)),
            tasks: Arc::new(tasks),
            registry_config: config::RegistryConfig::default(),
            background,
            connection,
            pubsub,
            keys,
        }
    }

    /// How often workers should beat, and after how long a silence they are dead.
    #[must_use]
    pub fn registry_config(&self) -> config::RegistryConfig {
        self.registry_config
    }

    /// Waits until the store's background tasks have ended. To be called after the shutdown began.
    pub async fn finish(&self) {
        self.background.finish().await;
    }
}

/// The inboxes, whose number the list of places bounds.
fn open_inboxes(
    connection: &RedisConnection,
    pubsub: &Subscriber,
    keys: &Keys,
    places: &places::Places,
) -> Arc<inbox::Inboxes> {
    let (connection, pubsub) = (connection.clone(), pubsub.clone());
    let inboxes = inbox::Inboxes::new(connection, pubsub, keys.clone(), places.clone());
    Arc::new(inboxes)
}
