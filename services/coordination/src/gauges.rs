//! The sampler: how much waits, who works and how loaded they are, measured every few seconds as the store knows it.
//!
//! Every process measures all, and shows the same as the others. What vanished is shown as zero, and what cannot be known
//! now, because Redis is away, as no number.

use std::time::Duration;

use metrics::gauge;
use shim_proto::coordination::v1::{Worker, WorkerKind, WorkerState};
use shim_runtime::lifecycle::Shutdown;
use shim_store::registry::Filter;
use shim_store::tasks::{Depth, QueuesHealth, executor};
use shim_store::{Error, Store};
use tokio::time::sleep;

/// How old what is shown may be. A sample costs Redis some microseconds for each queue, and for each worker.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Workers read in one step.
const PAGE: u32 = 500;
/// What workers may be, for each its name.
const STATES: [(WorkerState, &str); 4] = [
    (WorkerState::Starting, "starting"),
    (WorkerState::Idle, "idle"),
    (WorkerState::Busy, "busy"),
    (WorkerState::Draining, "draining"),
];
const KINDS: [WorkerKind; 4] = [
    WorkerKind::Chat,
    WorkerKind::Agent,
    WorkerKind::Command,
    WorkerKind::Analysis,
];
/// Priorities that are shown as one, each with the last that belongs to it.
const BANDS: [(&str, u32); 3] = [("high", 33), ("normal", 66), ("low", u32::MAX)];

/// The background task. Errors never end it: Redis comes back, and then it goes on.
pub(crate) struct GaugeSampler {
    store: Store,
    shutdown: Shutdown,
}

impl GaugeSampler {
    pub(crate) fn new(store: Store, shutdown: Shutdown) -> Self {
        Self { store, shutdown }
    }

    /// Samples until the shutdown, while anybody may look.
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

/// Measures once.
async fn sample(store: &Store) {
    let queues = store.tasks.health().await;
    match &queues {
        Ok(health) => set_queue_gauges(health),
        Err(error) => {
            tracing::debug!(%error, "nobody knows what waits");
            unset_queue_gauges();
        }
    }
    match living_workers(store).await {
        Ok(workers) => set_worker_gauges(&workers),
        Err(error) => {
            tracing::debug!(%error, "nobody knows who works");
            unset_worker_gauges();
        }
    }
}

async fn living_workers(store: &Store) -> Result<Vec<Worker>, Error> {
    let (all, mut workers, mut after) = (Filter::default(), Vec::new(), None);
    loop {
        let list = store.registry.list(&all, after.as_deref(), PAGE);
        let page = list.await?;
        workers.extend(page.workers);
        after = page.next;
        if after.is_none() {
            return Ok(workers);
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
}

fn unset_queue_gauges() {
    for (band, _) in BANDS {
        set_band_gauges(band, f64::NAN, f64::NAN);
    }
    set_total_gauges(f64::NAN, f64::NAN);
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
    for (state, name) in STATES {
        let count = workers.iter().filter(|worker| worker.state() == state);
        set_state_gauge(name, number(count.count() as u64));
    }
    for kind in KINDS {
        let of_kind = || workers.iter().filter(|worker| worker.kind() == kind);
        let running: u64 = of_kind().map(|worker| u64::from(worker.running)).sum();
        let capacity: u64 = of_kind().map(|worker| u64::from(worker.capacity)).sum();
        // Nobody is not loaded.
        set_load_gauge(kind, number(running) / number(capacity.max(1)));
    }
}

fn unset_worker_gauges() {
    for (_, name) in STATES {
        set_state_gauge(name, f64::NAN);
    }
    for kind in KINDS {
        set_load_gauge(kind, f64::NAN);
    }
}

fn set_state_gauge(state: &'static str, count: f64) {
    gauge!("shim_workers", "state" => state).set(count);
}

fn set_load_gauge(kind: WorkerKind, ratio: f64) {
    gauge!("shim_worker_load_ratio", "executor" => executor(kind)).set(ratio);
}

/// Exact for any count there can be.
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use metrics_exporter_prometheus::PrometheusBuilder;
    use shim_store::tasks::{Class, QueueCounts};

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
            depths: depths.iter().map(depth).collect(),
        };
        QueuesHealth {
            queues: vec![queue.clone(), queue],
            completed_last_minute: 0,
            failed_last_minute: 0,
            dead_letters: 0,
            awaiting_approval: 0,
            outbox: 7,
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

    /// What Prometheus would read after this.
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
    fn what_waits_is_shown_by_bands_of_priority_over_all_queues() {
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
    fn what_vanished_is_shown_as_zero() {
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
    fn workers_are_shown_by_state_and_their_load_by_what_they_are() {
        let workers = [
            worker(WorkerKind::Chat, WorkerState::Busy, 3),
            worker(WorkerKind::Chat, WorkerState::Idle, 0),
            worker(WorkerKind::Command, WorkerState::Draining, 4),
        ];
        let lines = exported(|| set_worker_gauges(&workers));
        assert_has(
            &lines,
            &[
                r#"shim_workers{state="idle"} 1"#,
                r#"shim_workers{state="starting"} 0"#,
                r#"shim_workers{state="draining"} 1"#,
                r#"shim_worker_load_ratio{executor="chat"} 0.375"#,
                r#"shim_worker_load_ratio{executor="command"} 1"#,
                r#"shim_worker_load_ratio{executor="agent"} 0"#,
            ],
        );
    }

    #[tokio::test]
    async fn what_nobody_knows_is_shown_as_no_number() {
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
