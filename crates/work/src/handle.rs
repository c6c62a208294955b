//! The handle of a running worker.

use std::sync::Arc;
use std::time::Duration;

use shim_proto::coordination::v1::WorkerState;
use shim_runtime::background::BackgroundTasks;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::executor::Executor;
use crate::options::WorkerOptions;
use crate::status::{SharedStatus, WorkerStatus};
use crate::task_backend::TaskBackend;
use crate::worker_loop::WorkerLoop;

/// A running worker. Dropped, it ends at once and what it runs is killed.
#[derive(Debug)]
pub struct WorkerHandle {
    status: Arc<SharedStatus>,
    /// When the worker's tasks must be over; `None` while it takes new ones.
    deadline: watch::Sender<Option<Instant>>,
    _end_on_drop: DropGuard,
}

impl WorkerHandle {
    /// Starts a worker. A panic of its loop ends this worker alone: it counts as stopped, and its claims end by its silence.
    pub fn start<B: TaskBackend>(
        backend: Arc<B>,
        executor: Arc<dyn Executor>,
        options: WorkerOptions,
        background: &BackgroundTasks,
    ) -> Self {
        let status = Arc::new(SharedStatus::new(&options));
        let (deadline, deadline_changes) = watch::channel(None);
        let worker_loop = WorkerLoop::new(
            backend,
            executor,
            options,
            Arc::clone(&status),
            deadline_changes,
        );
        let is_dropped = CancellationToken::new();
        let work = is_dropped
            .clone()
            .run_until_cancelled_owned(worker_loop.run());
        background.spawn_contained("worker", async {
            work.await;
        });
        Self {
            status,
            deadline,
            _end_on_drop: is_dropped.drop_guard(),
        }
    }

    /// Ends the claiming; the worker stops when its tasks are over. After `deadline` they are killed and given back. A later
    /// call can only bring the end nearer.
    pub fn drain(&self, deadline: Duration) {
        let end = Instant::now() + deadline;
        self.deadline.send_if_modified(|deadline| {
            let is_nearer = deadline.is_none_or(|deadline| end < deadline);
            if is_nearer {
                *deadline = Some(end);
            }
            is_nearer
        });
    }

    /// Kills the worker's tasks, gives them back and stops.
    pub fn stop(&self) {
        self.drain(Duration::ZERO);
    }

    /// The worker's state, health, tasks and counters.
    #[must_use]
    pub fn report(&self) -> WorkerStatus {
        self.status.report()
    }

    /// Waits until the worker has stopped. The future does not keep the worker alive.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        self.reached(WorkerState::Stopped)
    }

    /// Waits until the worker is in this state. The future does not keep the worker alive.
    pub fn reached(&self, state: WorkerState) -> impl Future<Output = ()> + Send + use<> {
        let status = Arc::clone(&self.status);
        async move { status.reached(state).await }
    }
}
