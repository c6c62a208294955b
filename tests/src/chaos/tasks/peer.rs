//! The peer: BullMQ's own worker in Node with its defaults, on a Redis of its own, killed with a job in hand.

use std::time::Instant;

use serde_json::json;
use shim_redis_harness::Redis;

use crate::binary;
use crate::node::BullmqQueues;

/// How long after the kill the job starts with another worker, in milliseconds; `None` if there is no Node.
pub(super) async fn kill_to_start() -> Option<u64> {
    binary::node()?;
    let redis = Redis::start();
    let queues = BullmqQueues::new(&redis.unix_url(), "{peer}", "work");
    let mut victim = queues.worker(&["--hang"]).await;
    let mut producer = queues.start("producer.mjs", &[]);
    producer.order(&json!({"name": "job", "data": {}})).await;
    victim
        .until(|message| message.get("active").is_some())
        .await;
    let mut successor = queues.worker(&["--hang"]).await;
    victim.kill().await;
    let start = Instant::now();
    successor
        .until(|message| message.get("active").is_some())
        .await;
    u64::try_from(start.elapsed().as_millis()).ok()
}
