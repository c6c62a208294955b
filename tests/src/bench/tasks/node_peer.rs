//! The second peer: BullMQ in Node, in a process of its own (`tests/node/bench.mjs`).

use std::time::Duration;

use serde_json::{Value, json};
use shim_redis_harness::Redis;

use super::side::{BATCH, CONCURRENCY, JOBS, PAUSE_MS, TRIPS, TaskTurn, Trips};
use crate::bench::latency::Latencies;
use crate::node::{BullmqQueues, NodeScript};

/// The peer on a Redis.
pub(super) struct NodePeer(NodeScript);

impl NodePeer {
    pub(super) fn on(redis: &Redis) -> Self {
        let queues = BullmqQueues::new(&redis.unix_url(), "{node}", "work");
        Self(queues.start("bench.mjs", &[]))
    }

    /// Submits all jobs, then processes them.
    pub(super) async fn turn(&mut self) -> TaskTurn {
        self.run(JOBS, CONCURRENCY).await
    }

    /// Submits `jobs`, then processes one after the other.
    pub(super) async fn lane(&mut self, jobs: usize) -> TaskTurn {
        self.run(jobs, 1).await
    }

    async fn run(&mut self, jobs: usize, concurrency: usize) -> TaskTurn {
        let order = json!({"run": jobs, "concurrency": concurrency, "batch": BATCH});
        self.0.order(&order).await;
        let message = self.0.next().await;
        let seconds = |name: &str| message[name].as_f64().expect("the script tells seconds");
        TaskTurn {
            submit_s: seconds("submit_s"),
            process_s: seconds("process_s"),
        }
    }

    /// One job at a time.
    pub(super) async fn trips(&mut self) -> Trips {
        self.0
            .order(&json!({"trips": TRIPS, "pause_ms": PAUSE_MS}))
            .await;
        let message = self.0.next().await;
        Trips {
            start: latencies(&message["start_ms"]),
            result: latencies(&message["result_ms"]),
        }
    }
}

fn latencies(message: &Value) -> Latencies {
    let mut latencies = Latencies::default();
    for ms in message.as_array().into_iter().flatten() {
        let ms = ms.as_f64().expect("the script tells milliseconds");
        latencies.record(Duration::from_secs_f64(ms / 1e3));
    }
    latencies
}
