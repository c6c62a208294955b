//! Real Redis servers for tests. Each server is a child process with its own folder, Unix socket and TCP port; it is ready
//! when its constructor returns, and gone when it is dropped.
//!
//! ```no_run
//! use shim_redis_harness::{Launch, Redis};
//!
//! let mut redis = Redis::start();
//! println!("connect to {} or {}", redis.url(), redis.unix_url());
//! redis.kill(); // as kill -9 does
//! redis.restart(); // on the same folder, socket and port: the append-only file is read back
//!
//! let small = Launch::new().password("secret").max_memory("4mb").start();
//! small.command(&["SET", "key", "value"]).expect("there is room");
//! ```
//!
//! [`Cluster`], [`Sentinels`] and [`Nodes`] are sets of servers. The harness is synchronous, so that any test can use it; a
//! start takes some milliseconds. Start a server from a thread that outlives it (not from tokio's `spawn_blocking`): the
//! kernel ends the child together with that thread.
#![expect(
    clippy::expect_used,
    reason = "a harness that fails ends the test with the reason"
)]

mod certificates;
mod cluster;
mod contents;
mod launch;
mod nodes;
mod port;
mod reply;
mod sentinels;
mod server;

pub use certificates::Certificates;
pub use cluster::Cluster;
pub use launch::Launch;
pub use nodes::Nodes;
pub use port::Port;
pub use reply::Reply;
pub use sentinels::{Sentinels, SetPasswords};
pub use server::Redis;
