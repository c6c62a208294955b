//! The second peer: BullMQ in Node, in a process of its own (`tests/node/bench.mjs`).

use std::time::Duration;

use serde_json::{Value, json};
use shim_redis_harness::Redis;

use super::side::{BATCH, CONCURRENCY, JOBS, PAUSE_MS, TRIPS, Trips, Turn};
use crate::bench::latency::Latencies;
use crate::node::{Place, Program};

/// The peer on a Redis.
pub(super) struct NodePeer(Program);

impl NodePeer {
    pub(super) fn on(redis: &Redis) -> Self {
        let place = Place::new(&redis.unix_url(), "{node}", "work");
        Self(place.start("bench.mjs", &[]))
    }

    /// Submits all jobs, then processes them.
    pub(super) async fn turn(&mut self) -> Turn {
        let order = json!({"run": JOBS, "concurrency": CONCURRENCY, "batch": BATCH});
        self.0.order(&order).await;
        let told = self.0.next().await;
        let seconds = |name: &str| told[name].as_f64().expect("the script tells seconds");
        Turn {
            submit_s: seconds("submit_s"),
            process_s: seconds("process_s"),
        }
    }

    /// One job at a time.
    pub(super) async fn trips(&mut self) -> Trips {
        self.0
            .order(&json!({"trips": TRIPS, "pause_ms": PAUSE_MS}))
            .await;
        let told = self.0.next().await;
        Trips {
            start: latencies(&told["start_ms"]),
            result: latencies(&told["result_ms"]),
        }
    }
}

fn latencies(told: &Value) -> Latencies {
    let mut latencies = Latencies::default();
    for ms in told.as_array().into_iter().flatten() {
        let ms = ms.as_f64().expect("the script tells milliseconds");
        latencies.note(Duration::from_secs_f64(ms / 1e3));
    }
    latencies
}
