//! The first peer: the crate `bullmq-official` by itself, submitting in bulk and processing with its own Worker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bullmq::options::RedisConnectionOptions;
use bullmq::worker::{CancellationToken, WorkerEvent};
use bullmq::{
    BulkJob, Job, Queue, QueueEvent, QueueEvents, QueueEventsOptions, QueueOptions, Worker,
    WorkerOptions,
};
use serde_json::{Value, json};
use shim_redis_harness::Redis;

use super::side::{BATCH, CONCURRENCY, PAUSE_MS, TRIPS, TaskTurn, Trips};

const PREFIX: &str = "{official}";
const NAME: &str = "work";
/// A worker that has nothing left to do still waits for jobs; the benchmark does not wait for it.
const CLOSE_MS: u64 = 100;
/// Keys removed at once.
const REMOVED_AT_ONCE: usize = 10_000;

/// The peer on a Redis.
pub(super) struct Official {
    connection: RedisConnectionOptions,
    queue: Queue,
}

impl Official {
    pub(super) async fn on(redis: &Redis) -> Self {
        let connection = RedisConnectionOptions::new().url(redis.unix_url());
        let options = QueueOptions::new()
            .connection(connection.clone())
            .prefix(PREFIX);
        let queue = Queue::with_options(NAME, options).await;
        Self {
            connection,
            queue: queue.expect("the queue can be opened"),
        }
    }

    fn options(&self, concurrency: usize) -> WorkerOptions {
        WorkerOptions::new()
            .connection(self.connection.clone())
            .prefix(PREFIX)
            .concurrency(concurrency)
            .autorun(false)
    }

    /// Submits all jobs, then processes them.
    pub(super) async fn turn(&self, jobs: usize) -> TaskTurn {
        let start = Instant::now();
        self.submit(jobs).await;
        let submit_s = start.elapsed().as_secs_f64();
        let process_s = self.process(jobs).await;
        self.clear().await;
        TaskTurn {
            submit_s,
            process_s,
        }
    }

    pub(super) async fn submit(&self, jobs: usize) {
        for first in (0..jobs).step_by(BATCH) {
            let numbers = first..jobs.min(first + BATCH);
            let batch = numbers
                .map(|number| BulkJob::new("task", json!({"goal": format!("job {number}")})));
            let added = self.queue.add_bulk(batch.collect()).await;
            added.expect("jobs are added");
        }
    }

    /// Processes what was submitted and returns the seconds it took. A job counts when its result is kept, not when
    /// the processor returns.
    pub(super) async fn process(&self, jobs: usize) -> f64 {
        let done = |_: Job, _: CancellationToken| async { Ok(Value::Null) };
        let worker = Worker::with_options(NAME, done, self.options(CONCURRENCY)).await;
        let worker = worker.expect("a worker can be made");
        let start = Instant::now();
        worker.run().await.expect("a new worker can be run");
        let mut left = jobs;
        while left > 0 {
            let event = worker.next_event().await.expect("the worker lives");
            if matches!(event, WorkerEvent::Completed { .. }) {
                left -= 1;
            }
        }
        let process_s = start.elapsed().as_secs_f64();
        worker
            .close(CLOSE_MS)
            .await
            .expect("a worker can be closed");
        process_s
    }

    pub(super) async fn clear(&self) {
        let cleared = self.queue.obliterate(true, REMOVED_AT_ONCE).await;
        cleared.expect("a queue can be removed");
    }

    /// One job at a time.
    pub(super) async fn trips(&self) -> Trips {
        let started = Arc::new(Mutex::new(Instant::now()));
        let note = Arc::clone(&started);
        let work = move |_: Job, _: CancellationToken| {
            *note.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            async { Ok(Value::Null) }
        };
        let options = self.options(1);
        let worker = Worker::with_options(NAME, work, options.autorun(true)).await;
        let worker = worker.expect("a worker can be made");
        let events = self.events().await;
        let mut trips = Trips::default();
        for number in 0..TRIPS {
            tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            let submitted = Instant::now();
            let data = json!({"goal": format!("trip {number}")});
            self.queue.add("task", data).await.expect("a job is added");
            completed(&events).await;
            trips.result.record(submitted.elapsed());
            let started = *started.lock().unwrap_or_else(PoisonError::into_inner);
            trips.start.record(started.duration_since(submitted));
        }
        events.close().await;
        worker
            .close(CLOSE_MS)
            .await
            .expect("a worker can be closed");
        self.clear().await;
        trips
    }

    /// A listener that has begun to listen.
    async fn events(&self) -> QueueEvents {
        let options = QueueEventsOptions {
            connection: self.connection.clone(),
            prefix: PREFIX.to_owned(),
            ..QueueEventsOptions::default()
        };
        let events = QueueEvents::with_options(NAME, options).await;
        events.expect("a queue can be listened to")
    }
}

async fn completed(events: &QueueEvents) {
    loop {
        let entry = events.next_event().await.expect("the listener lives");
        if matches!(entry.event, QueueEvent::Completed { .. }) {
            return;
        }
    }
}
