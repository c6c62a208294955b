//! The way to Redis: connections come from pools of `deadpool-redis` and are held for their life.
//!
//! A process has one lane, a multiplexed connection that carries the commands of all callers, and one connection for its
//! subscriptions. [`RedisConnection`] sends commands over the lane; its reconnector notices a lost lane and checks out a new
//! one. The invariant: a call answers within [`ANSWER_WITHIN`], with Redis's reply or with `Unavailable`; no call waits for
//! a reconnection.

mod address;
mod lane;
mod pool;
mod reconnector;
mod redis_connection;
mod redis_error;
mod sentinel;
mod subscriber_pool;
mod timeouts;

pub(crate) use address::Address;
pub(crate) use redis_connection::with_operation_timeout;
pub use redis_connection::{ConnectionHealth, RedisConnection};
pub(crate) use redis_error::classify;
pub(crate) use sentinel::SentinelCredentials;
pub(crate) use subscriber_pool::{PubSubConnection, SubscriberPool};
pub(crate) use timeouts::{ANSWER_WITHIN, CONNECT_WITHIN};
