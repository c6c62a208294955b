//! The gauge sampler: depth and age of the queues, number and load of the workers, read from the store every few seconds.
//!
//! Every process samples everything, so all processes export the same values. A series whose subject vanished is set to
//! zero; while Redis is away, every series is set to NaN.

use std::time::{Duration, SystemTime};

use metrics::gauge;
use shim_proto::coordination::v1::{Worker, WorkerKind, WorkerState};
use shim_proto::fitness::is_unfit;
use shim_runtime::lifecycle::Shutdown;
use shim_store::Store;
use shim_store::sizes;
use shim_store::tasks::{Depth, QueueCounts, QueuesHealth, executor};
use tokio::time::sleep;

use crate::living_workers::living_workers;

/// The age that an exported value may have. A sample costs Redis some microseconds for each queue and each worker.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// The states of living workers, with their label values.
const STATES: [(WorkerState, &str); 4] = [
    (WorkerState::Starting, "starting"),
    (WorkerState::Idle, "idle"),
    (WorkerState::Busy, "busy"),
    (WorkerState::Draining, "draining"),
];
/// The kinds of workers.
const KINDS: [WorkerKind; 4] = [
    WorkerKind::Chat,
    WorkerKind::Agent,
    WorkerKind::Command,
    WorkerKind::Analysis,
];
/// The bands that priorities are exported in: the label value and the last priority of each.
const BANDS: [(&str, u32); 3] = [("high", 33), ("normal", 66), ("low", u32::MAX)];

/// Whether a queue is held back in one way.
type IsHeld = fn(&QueueCounts) -> bool;

/// What may hold a queue back, with its label value.
const HOLDS: [(&str, IsHeld); 3] = [
    ("paused", |queue| queue.is_paused),
    ("rate_limit", |queue| !queue.limited_for.is_zero()),
    ("concurrency", QueueCounts::is_maxed),
];

/// The background task. No error ends it: it samples again when Redis is back.
pub(crate) struct GaugeSampler {
    store: Store,
    shutdown: Shutdown,
}

impl GaugeSampler {
    pub(crate) fn new(store: Store, shutdown: Shutdown) -> Self {
        Self { store, shutdown }
    }

    /// Samples until the shutdown, if metrics are enabled.
    pub(crate) async fn run(self) {
        loop {
            if shim_runtime::metrics::is_enabled() {
                sample(&self.store).await;
            }
            tokio::select! {
                () = sleep(SAMPLE_EVERY) => {}
                () = self.shutdown.wait() => return,
            }
        }
    }
}

/// Takes one sample.
async fn sample(store: &Store) {
    let queues = store.tasks.health().await;
    match &queues {
        Ok(health) => set_queue_gauges(health),
        Err(error) => {
            tracing::debug!(%error, "cannot sample the queues");
            unset_queue_gauges();
        }
    }
    if let Ok(memory) = store.sizes.memory().await {
        set_memory_gauges(number(memory.used), number(memory.max));
    }
    match living_workers(store).await {
        Ok(workers) => set_worker_gauges(&workers),
        Err(error) => {
            tracing::debug!(%error, "cannot sample the workers");
            unset_worker_gauges();
        }
    }
}

fn set_queue_gauges(health: &QueuesHealth) {
    let depths = || health.queues.iter().flat_map(|queue| &queue.depths);
    let mut first = 0;
    for (band, last) in BANDS {
        let of_band = |depth: &&Depth| (first..=last).contains(&depth.priority);
        let tasks: u64 = depths().filter(of_band).map(|depth| depth.tasks).sum();
        let ages = depths().filter(of_band).map(|depth| depth.oldest_age);
        set_band_gauges(
            band,
            number(tasks),
            ages.max().unwrap_or_default().as_secs_f64(),
        );
        first = last.saturating_add(1);
    }
    let running = health.queues.iter().map(|queue| queue.active).sum();
    set_total_gauges(number(running), number(health.outbox));
    set_hold_gauges(health);
    set_bound_gauges(health);
}

/// How many queues are in use and messages owed, and what the store takes, by kind.
fn set_bound_gauges(health: &QueuesHealth) {
    gauge!("shim_queues_in_use").set(number(health.queues_in_use));
    gauge!("shim_messages_owed").set(number(health.owed));
    for kind in sizes::KINDS {
        let size = health.sizes.iter().find(|size| size.kind == kind);
        let (keys, bytes) = size.map_or((0, 0), |size| (size.keys, size.bytes));
        gauge!("shim_store_keys", "kind" => kind).set(number(keys));
        gauge!("shim_store_bytes", "kind" => kind).set(number(bytes));
    }
}

fn unset_bound_gauges() {
    gauge!("shim_queues_in_use").set(f64::NAN);
    gauge!("shim_messages_owed").set(f64::NAN);
    for kind in sizes::KINDS {
        gauge!("shim_store_keys", "kind" => kind).set(f64::NAN);
        gauge!("shim_store_bytes", "kind" => kind).set(f64::NAN);
    }
    set_memory_gauges(f64::NAN, f64::NAN);
}

fn set_memory_gauges(used: f64, max: f64) {
    gauge!("shim_redis_memory_bytes").set(used);
    gauge!("shim_redis_max_memory_bytes").set(max);
}

/// What holds queues back, though workers may be free: how many queues it holds, and how many tasks wait there.
fn set_hold_gauges(health: &QueuesHealth) {
    for (hold, holds) in HOLDS {
        let held = || health.queues.iter().filter(|queue| holds(queue));
        let waiting = held().map(|queue| queue.waiting + queue.delayed).sum();
        gauge!("shim_queues_held", "hold" => hold).set(number(held().count() as u64));
        gauge!("shim_queue_held_tasks", "hold" => hold).set(number(waiting));
    }
}

fn unset_queue_gauges() {
    for (band, _) in BANDS {
        set_band_gauges(band, f64::NAN, f64::NAN);
    }
    set_total_gauges(f64::NAN, f64::NAN);
    unset_bound_gauges();
    for (hold, _) in HOLDS {
        gauge!("shim_queues_held", "hold" => hold).set(f64::NAN);
        gauge!("shim_queue_held_tasks", "hold" => hold).set(f64::NAN);
    }
}

fn set_band_gauges(band: &'static str, depth: f64, oldest_age: f64) {
    gauge!("shim_queue_depth", "priority" => band).set(depth);
    gauge!("shim_queue_oldest_age_seconds", "priority" => band).set(oldest_age);
}

fn set_total_gauges(running: f64, outbox: f64) {
    gauge!("shim_tasks_running").set(running);
    gauge!("shim_outbox_depth").set(outbox);
}

fn set_worker_gauges(workers: &[Worker]) {
    let now = SystemTime::now().into();
    for (state, name) in STATES {
        let count = workers.iter().filter(|worker| worker.state() == state);
        set_state_gauge(name, number(count.count() as u64));
    }
    for kind in KINDS {
        let of_kind = || workers.iter().filter(|worker| worker.kind() == kind);
        let running: u64 = of_kind().map(|worker| u64::from(worker.running)).sum();
        let capacity: u64 = of_kind().map(|worker| u64::from(worker.capacity)).sum();
        // The load of no workers is zero.
        set_load_gauge(kind, number(running) / number(capacity.max(1)));
        let unfit = of_kind().filter(|worker| is_unfit(worker, now));
        set_unfit_gauge(kind, number(unfit.count() as u64));
    }
}

fn unset_worker_gauges() {
    for (_, name) in STATES {
        set_state_gauge(name, f64::NAN);
    }
    for kind in KINDS {
        set_load_gauge(kind, f64::NAN);
        set_unfit_gauge(kind, f64::NAN);
    }
}

fn set_state_gauge(state: &'static str, count: f64) {
    gauge!("shim_workers", "state" => state).set(count);
}

fn set_load_gauge(kind: WorkerKind, ratio: f64) {
    gauge!("shim_worker_load_ratio", "executor" => executor(kind)).set(ratio);
}

fn set_unfit_gauge(kind: WorkerKind, count: f64) {
    gauge!("shim_workers_unfit", "executor" => executor(kind)).set(count);
}

/// A count as the value of a gauge; exact up to 2^53.
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use metrics_exporter_prometheus::PrometheusBuilder;
    use shim_proto::coordination::v1::WorkerHealth;
    use shim_store::tasks::Class;

    use super::*;

    fn health(depths: &[(u32, u64, u64)]) -> QueuesHealth {
        let depth = |&(priority, tasks, age): &(u32, u64, u64)| Depth {
            priority,
            tasks,
            oldest_age: Duration::from_secs(age),
        };
        let queue = QueueCounts {
            class: Class::of(None),
            waiting: 0,
            delayed: 0,
            active: 2,
            is_paused: false,
            limited_for: Duration::ZERO,
            max_active: 0,
            depths: depths.iter().map(depth).collect(),
        };
        QueuesHealth {
            queues: vec![queue.clone(), queue],
            completed_last_minute: 0,
            failed_last_minute: 0,
            dead_letters: 0,
            awaiting_approval: 0,
            outbox: 7,
            buried: 0,
            buried_at_ms: None,
            owed: 0,
            queues_in_use: 0,
            own_queues: 0,
            live_jobs: 0,
            sizes: Vec::new(),
            usages: Vec::new(),
        }
    }

    fn worker(kind: WorkerKind, state: WorkerState, running: u32) -> Worker {
        Worker {
            kind: kind.into(),
            state: state.into(),
            running,
            capacity: 4,
            ..Worker::default()
        }
    }

    /// The lines that Prometheus reads after an update.
    fn exported(update: impl FnOnce()) -> Vec<String> {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, update);
        let text = recorder.handle().render();
        text.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn assert_has(lines: &[String], expected: &[&str]) {
        for line in expected {
            assert!(
                lines.iter().any(|shown| shown == line),
                "{line} in {lines:#?}"
            );
        }
    }

    #[test]
    fn depth_and_age_are_exported_by_priority_band_over_all_queues() {
        let lines = exported(|| {
            set_queue_gauges(&health(&[(0, 1, 3), (33, 2, 9), (34, 5, 2), (100, 1, 60)]));
        });
        assert_has(
            &lines,
            &[
                r#"shim_queue_depth{priority="high"} 6"#,
                r#"shim_queue_depth{priority="normal"} 10"#,
                r#"shim_queue_depth{priority="low"} 2"#,
                r#"shim_queue_oldest_age_seconds{priority="high"} 9"#,
                r#"shim_queue_oldest_age_seconds{priority="low"} 60"#,
                "shim_tasks_running 4",
                "shim_outbox_depth 7",
            ],
        );
    }

    #[test]
    fn what_holds_queues_back_is_exported_with_the_tasks_that_wait_there() {
        let lines = exported(|| {
            let mut health = health(&[(50, 3, 3)]);
            health.queues[0].is_paused = true;
            (health.queues[0].waiting, health.queues[0].delayed) = (3, 1);
            health.queues[1].max_active = 2;
            set_queue_gauges(&health);
        });
        assert_has(
            &lines,
            &[
                r#"shim_queues_held{hold="paused"} 1"#,
                r#"shim_queue_held_tasks{hold="paused"} 4"#,
                r#"shim_queues_held{hold="concurrency"} 1"#,
                r#"shim_queue_held_tasks{hold="concurrency"} 0"#,
                r#"shim_queues_held{hold="rate_limit"} 0"#,
            ],
        );
    }

    #[test]
    fn a_vanished_queue_or_worker_is_exported_as_zero() {
        let lines = exported(|| {
            set_queue_gauges(&health(&[(50, 3, 3)]));
            set_queue_gauges(&health(&[]));
            set_worker_gauges(&[worker(WorkerKind::Chat, WorkerState::Busy, 3)]);
            set_worker_gauges(&[]);
        });
        assert_has(
            &lines,
            &[
                r#"shim_queue_depth{priority="normal"} 0"#,
                r#"shim_queue_oldest_age_seconds{priority="normal"} 0"#,
                r#"shim_workers{state="busy"} 0"#,
                r#"shim_worker_load_ratio{executor="chat"} 0"#,
            ],
        );
    }

    #[test]
    fn workers_are_exported_by_state_and_their_load_by_kind() {
        let workers = [
            worker(WorkerKind::Chat, WorkerState::Busy, 3),
            worker(WorkerKind::Chat, WorkerState::Idle, 0),
            worker(WorkerKind::Command, WorkerState::Draining, 4),
            Worker {
                health: WorkerHealth::Unhealthy.into(),
                ..worker(WorkerKind::Agent, WorkerState::Idle, 0)
            },
        ];
        let lines = exported(|| set_worker_gauges(&workers));
        assert_has(
            &lines,
            &[
                r#"shim_workers{state="idle"} 2"#,
                r#"shim_workers_unfit{executor="agent"} 1"#,
                r#"shim_workers_unfit{executor="chat"} 0"#,
                r#"shim_workers{state="starting"} 0"#,
                r#"shim_workers{state="draining"} 1"#,
                r#"shim_worker_load_ratio{executor="chat"} 0.375"#,
                r#"shim_worker_load_ratio{executor="command"} 1"#,
                r#"shim_worker_load_ratio{executor="agent"} 0"#,
            ],
        );
    }

    #[tokio::test]
    async fn every_series_is_nan_while_redis_is_away() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _shown = metrics::set_default_local_recorder(&recorder);
        let settings = shim_runtime::config::Settings::gather(None, [], []);
        let config = shim_store::Config::read(&mut settings.unwrap());
        let store = Store::open_at(&config, &Shutdown::new()).unwrap();
        sample(&store).await;
        let text = recorder.handle().render();
        for series in [
            r#"shim_queue_depth{priority="high"} NaN"#,
            "shim_tasks_running NaN",
            r#"shim_workers{state="idle"} NaN"#,
            r#"shim_worker_load_ratio{executor="agent"} NaN"#,
        ] {
            assert!(text.contains(series), "{series} in {text}");
        }
    }
}
