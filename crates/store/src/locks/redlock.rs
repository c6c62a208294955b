//! Redlock over independent nodes (<https://redis.io/docs/latest/develop/use/patterns/distributed-locks/>).
//!
//! With one Redis the lock's record is the lock, and this module does nothing. With lock nodes a majority of them must
//! agree before the record is made, so a lock outlives the loss of the store's last writes. Each node has its own
//! connection, which never makes a call wait for a reconnection: a silent node costs a moment once, and then nothing.
//! (The crate rslock connects inside the call and lets the slowest node decide how long the call takes.)

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use shim_runtime::background::BackgroundTasks;

use crate::clock::millis;
use crate::connection::{Address, RedisConnection};
use crate::script::{Effect, Script};

/// A node that does not answer within this time counts as away.
const NODE_ANSWERS_WITHIN: Duration = Duration::from_millis(200);
/// How far clocks may drift apart, as a share of the time that a lock is held; the published algorithm subtracts it.
const CLOCK_DRIFT: f64 = 0.01;

/// The lock nodes; none if the one Redis is enough.
#[derive(Debug)]
pub(crate) struct Redlock {
    nodes: Vec<RedisConnection>,
    hold: Script,
    drop: Script,
}

#[derive(Serialize)]
struct HoldArgs<'a> {
    value: &'a str,
    ttl_ms: u64,
}

#[derive(Serialize)]
struct DropArgs<'a> {
    value: &'a str,
}

impl Redlock {
    /// Begins to connect to the nodes.
    pub(crate) fn connect(nodes: &[Address], background: &BackgroundTasks) -> Self {
        let connection = |node: &Address| RedisConnection::open(Some(node.clone()), background);
        Self {
            nodes: nodes.iter().map(connection).collect(),
            hold: Script::named(Effect::Frees, include_str!("../lua/hold_redlock.lua")),
            drop: Script::named(Effect::Frees, include_str!("../lua/drop_redlock.lua")),
        }
    }

    /// Whether a majority must agree.
    pub(super) fn is_used(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// Takes a key that is free, or keeps one that has this value, on a majority of the nodes; `false` if there is no
    /// majority, and then every node that agreed has its key given back.
    pub(super) async fn hold(&self, key: &str, value: &str, ttl: Duration) -> bool {
        let begun = Instant::now();
        let quorum = self.nodes.len() / 2 + 1;
        let mut answers: FuturesUnordered<_> = self
            .nodes
            .iter()
            .map(|node| self.hold_on(node, key, value, ttl))
            .collect();
        let mut granted = 0;
        while let Some(answer) = answers.next().await {
            granted += usize::from(answer);
            if granted == quorum {
                break;
            }
        }
        drop(answers);
        let valid = ttl
            .mul_f64(1.0 - CLOCK_DRIFT)
            .saturating_sub(begun.elapsed());
        if granted >= quorum && !valid.is_zero() {
            return true;
        }
        self.drop(key, value).await;
        false
    }

    async fn hold_on(&self, node: &RedisConnection, key: &str, value: &str, ttl: Duration) -> bool {
        let ttl_ms = millis(ttl);
        let call = self.hold.call().key(key).args(&HoldArgs { value, ttl_ms });
        let asked = tokio::time::timeout(NODE_ANSWERS_WITHIN, node.call(&call)).await;
        let answer = asked.ok().and_then(Result::ok);
        answer.is_some_and(|mut answer| answer.status().is_ok_and(|status| status == "OK"))
    }

    /// Gives a key back on every node that can be reached; on the others it ends with its time.
    pub(super) async fn drop(&self, key: &str, value: &str) {
        let dropping = self.nodes.iter().map(|node| async move {
            let call = self.drop.call().key(key).args(&DropArgs { value });
            let _ = tokio::time::timeout(NODE_ANSWERS_WITHIN, node.call(&call)).await;
        });
        futures::future::join_all(dropping).await;
    }
}
