//! The service's own settings: those of the store, and `tasks.*`.

use std::time::Duration;

use shim_runtime::config::Settings;
use shim_store::tasks::LineageLimits;

/// Settings of the coordination service.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings of the store: the address of Redis, and the timing of the registry.
    pub store: shim_store::Config,
    /// The settings of tasks.
    pub(crate) tasks: TaskSettings,
}

/// The settings of tasks: those of the supervisor, and what submitters are held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TaskSettings {
    /// A running task without a report for longer is marked as stuck (`tasks.stuck_after`, 5 min).
    pub(crate) stuck_after: Duration,
    /// How long a finished job is kept (`tasks.keep`, 24 h).
    pub(crate) retention: Duration,
    /// How many finished jobs are kept at most (`tasks.keep_jobs`, 10,000).
    pub(crate) max_finished_jobs: u64,
    /// How many dead letters are kept at most, however old (`tasks.keep_dead_letters`, 10,000).
    pub(crate) max_dead_letters: u64,
    /// How deep and how many jobs that jobs submit may be (`tasks.max_depth`, 5; `tasks.max_descendants`, 1,000).
    pub(crate) lineage: LineageLimits,
}

impl Config {
    /// Reads the service's keys.
    pub fn read(settings: &mut Settings) -> Self {
        Self {
            store: shim_store::Config::read(settings),
            tasks: tasks(settings),
        }
    }

    /// Whether an address of Redis is configured.
    #[must_use]
    pub fn has_redis(&self) -> bool {
        self.store.has_redis()
    }

    /// The same settings with the local stack's Redis, unless another one is configured.
    #[must_use]
    pub fn or_redis(mut self, url: Option<String>) -> Self {
        self.store = self.store.or_redis(url);
        self
    }
}

fn tasks(settings: &mut Settings) -> TaskSettings {
    let (second, day) = (Duration::from_secs(1), Duration::from_secs(24 * 3_600));
    let minutes = |count: u64| Duration::from_secs(count * 60);
    let lineage = LineageLimits::default();
    TaskSettings {
        stuck_after: settings.get_within("tasks.stuck_after", minutes(5), second..=day),
        retention: settings.get_within("tasks.keep", day, second..=day * 90),
        max_finished_jobs: settings.get_within("tasks.keep_jobs", 10_000, 1..=1_000_000),
        max_dead_letters: settings.get_within("tasks.keep_dead_letters", 10_000, 0..=1_000_000),
        lineage: LineageLimits {
            max_depth: settings.get_within("tasks.max_depth", lineage.max_depth, 0..=100),
            max_descendants: settings.get_within(
                "tasks.max_descendants",
                lineage.max_descendants,
                1..=1_000_000,
            ),
        },
    }
}
