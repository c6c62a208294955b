//! The pool of the connection for subscriptions: a process has one at a time.

use std::ops::{Deref, DerefMut};

use deadpool::managed::{Manager, Object, Pool, RecycleError, RecycleResult};
use deadpool_redis::Metrics;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{RedisError, RedisResult};

use super::address::Address;
use super::pool;

/// Makes connections for subscriptions to one address.
pub(crate) struct PubSubManager {
    address: Address,
}

/// A connection for subscriptions, for the exclusive use of its holder: commands go into the sink, what is published comes
/// out of the stream.
pub(crate) struct PubSubConnection(Object<PubSubManager>);

impl Manager for PubSubManager {
    type Type = (PubSubSink, PubSubStream);
    type Error = RedisError;

    /// Connects to the first server that accepts a subscriber.
    async fn create(&self) -> RedisResult<Self::Type> {
        let mut last = None;
        for client in self.address.clients().await? {
            match client.get_async_pubsub().await {
                Ok(pubsub) => return Ok(pubsub.split()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| RedisError::from((redis::ErrorKind::Io, "no server is known"))))
    }

    /// A connection comes back only when it is lost.
    async fn recycle(&self, _: &mut Self::Type, _: &Metrics) -> RecycleResult<RedisError> {
        Err(RecycleError::message("the connection was lost"))
    }
}

/// The pool.
pub(crate) struct SubscriberPool(Pool<PubSubManager>);

impl SubscriberPool {
    /// # Errors
    /// If the pool cannot be built, in words.
    pub(crate) fn open(address: Address) -> Result<Self, String> {
        pool::build(PubSubManager { address }).map(Self)
    }

    /// A new connection.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(crate) async fn check_out(&self) -> Result<PubSubConnection, String> {
        let connection = self.0.get().await;
        connection
            .map(PubSubConnection)
            .map_err(|error| pool::message_of(&error))
    }
}

impl Deref for PubSubConnection {
    type Target = (PubSubSink, PubSubStream);

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for PubSubConnection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
