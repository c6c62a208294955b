//! The peer: BullMQ's own worker in Node with its defaults, on a Redis of its own, killed with a job in hand.

use std::time::Instant;

use serde_json::json;
use shim_redis_harness::Redis;

use crate::binary;
use crate::node::Place;

/// How long after the kill the job starts with another worker, in milliseconds; `None` if there is no Node.
pub(super) async fn kill_to_start() -> Option<u64> {
    binary::node()?;
    let redis = Redis::start();
    let place = Place::new(&redis.unix_url(), "{peer}", "work");
    let mut victim = place.worker(&["--hang"]).await;
    let mut producer = place.start("producer.mjs", &[]);
    producer.order(&json!({"name": "job", "data": {}})).await;
    victim.until(|told| told.get("active").is_some()).await;
    let mut heir = place.worker(&["--hang"]).await;
    victim.kill().await;
    let start = Instant::now();
    heir.until(|told| told.get("active").is_some()).await;
    u64::try_from(start.elapsed().as_millis()).ok()
}
