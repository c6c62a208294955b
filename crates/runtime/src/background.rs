//! Background tasks: each has a name, an owner that waits for its end, and a policy for its panic.
//!
//! Two metrics show them: how many of a name run, and how often one panicked. No other code of SHIM lets a task run without
//! keeping its handle.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use metrics::{counter, gauge};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tonic::{Code, Status};

use crate::backoff::Backoff;
use crate::lifecycle::Shutdown;
use crate::service_error::ServiceError;

const FIRST_RESTART: Duration = Duration::from_millis(100);
const LONGEST_RESTART: Duration = Duration::from_secs(5);

/// The background tasks of one owner. Clones share them.
#[derive(Debug, Clone)]
pub struct BackgroundTasks {
    owner: &'static str,
    shutdown: Shutdown,
    tracker: TaskTracker,
}

impl BackgroundTasks {
    /// No tasks yet; the log shows `owner` beside their names.
    #[must_use]
    pub fn new(owner: &'static str, shutdown: &Shutdown) -> Self {
        Self {
            owner,
            shutdown: shutdown.clone(),
            tracker: TaskTracker::new(),
        }
    }

    /// The shutdown that ends these tasks.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Runs a loop that lasts as long as the process and heeds the shutdown by itself. After a panic `start` begins it
    /// anew, each time after a longer delay (100 ms to 5 s).
    pub fn spawn_restarting<F>(
        &self,
        name: &'static str,
        mut start: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (owner, shutdown) = (self.owner, self.shutdown.clone());
        let supervised = async move {
            let mut backoff = Backoff::new(FIRST_RESTART, LONGEST_RESTART);
            while run(owner, name, start()).await.is_err() {
                tokio::select! {
                    () = backoff.wait() => {}
                    () = shutdown.wait() => return,
                }
            }
        };
        self.tracker.spawn(supervised);
    }

    /// Runs work without which the process must not go on: its panic begins the shutdown, and the process exits with a
    /// failure.
    pub fn spawn_critical<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (owner, shutdown) = (self.owner, self.shutdown.clone());
        let supervised = async move {
            if run(owner, name, work).await.is_err() {
                shutdown.fail(format!("the background task {owner}/{name} panicked"));
            }
        };
        self.tracker.spawn(supervised);
    }

    /// Runs work of one call, one stream or one attempt: its panic ends that work alone. What waits for the work sees its
    /// channel closed.
    pub fn spawn_contained<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let owner = self.owner;
        let supervised = async move {
            let _ = run(owner, name, work).await;
        };
        self.tracker.spawn(supervised);
    }

    /// Runs the work that feeds a response stream: its panic ends the stream with INTERNAL, and nothing else.
    pub fn spawn_stream<T, F>(
        &self,
        name: &'static str,
        stream: mpsc::Sender<Result<T, Status>>,
        work: F,
    ) where
        T: Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let owner = self.owner;
        let supervised = async move {
            if run(owner, name, work).await.is_err() {
                let _ = stream.send(Err(Status::from(defect()))).await;
            }
        };
        self.tracker.spawn(supervised);
    }

    /// Waits until all tasks have ended. To be called after the shutdown began, which ends the loops.
    pub async fn finish(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// What a caller reads when the work behind its call panicked.
fn defect() -> ServiceError {
    ServiceError {
        code: Code::Internal,
        reason: "PANIC",
        message: "the call ended in a defect of the service".into(),
        remedy: Some("report it with the service's log; other calls are not affected".into()),
        retry_after: None,
    }
}

/// The panic is logged and counted; `Err` says that there was one.
async fn run(
    owner: &'static str,
    name: &'static str,
    work: impl Future<Output = ()>,
) -> Result<(), ()> {
    let _running = Running::begin(name);
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    outcome.map_err(|panic| {
        counter!("shim_background_task_panics_total", "task" => name).increment(1);
        tracing::error!(
            owner,
            task = name,
            panic = message(&*panic),
            "a background task panicked"
        );
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(owned).unwrap_or("no message")
}

/// Counts a task while it runs, however it ends.
struct Running(&'static str);

impl Running {
    fn begin(name: &'static str) -> Self {
        // At zero from the start, so that the first panic is an increase.
        counter!("shim_background_task_panics_total", "task" => name).increment(0);
        gauge!("shim_background_tasks", "task" => name).increment(1.0);
        // A counter that appears only with its first event has no increase that Prometheus could see.
        counter!("shim_background_task_panics_total", "task" => name).increment(0);
        Self(name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        gauge!("shim_background_tasks", "task" => self.0).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "panics are what is tested")]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_panics_is_started_anew() {
        let shutdown = Shutdown::new();
        let tasks = BackgroundTasks::new("test", &shutdown);
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&starts);
        tasks.spawn_restarting("loop", move || {
            let start = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(start >= 2, "start {start}");
            }
        });
        tasks.finish().await;
        assert_eq!(starts.load(Ordering::SeqCst), 3);
        assert!(!shutdown.is_begun());
    }

    #[tokio::test]
    async fn a_critical_task_that_panics_begins_a_failed_shutdown() {
        let shutdown = Shutdown::new();
        let tasks = BackgroundTasks::new("test", &shutdown);
        tasks.spawn_critical("work", async { panic!("on purpose") });
        shutdown.wait().await;
        let failure = shutdown.failure();
        assert_eq!(
            failure.as_deref(),
            Some("the background task test/work panicked")
        );
    }

    #[tokio::test]
    async fn a_stream_whose_producer_panics_ends_with_internal() {
        let tasks = BackgroundTasks::new("test", &Shutdown::new());
        let (sender, mut stream) = mpsc::channel::<Result<(), Status>>(1);
        tasks.spawn_stream("work", sender, async { panic!("on purpose") });
        let end = stream.recv().await;
        assert!(matches!(end, Some(Err(status)) if status.code() == Code::Internal));
        assert!(stream.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_contained_panic_ends_its_own_work_alone() {
        let shutdown = Shutdown::new();
        let tasks = BackgroundTasks::new("test", &shutdown);
        tasks.spawn_contained("work", async { panic!("on purpose") });
        tasks.finish().await;
        assert!(!shutdown.is_begun() && shutdown.failure().is_none());
    }
}
