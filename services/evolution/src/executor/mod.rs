//! The executor `analysis`: does tasks of the kinds `analyze`, `evolve` and `generate_tests`.
//!
//! A task says what to do in its payload, or in its files and workspace. Its result is short: a text for people and models,
//! and the same as data. What takes a decision of people becomes a task of its own that waits for approval.

mod agents;
mod analyze;
mod arguments;
mod evolve;
mod generate_tests;

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use shim_proto::coordination::v1::TaskResult;
use shim_proto::evolution::v1::Progress;
use shim_proto::reasons::task::{EXECUTOR_FAILED, NOT_ALLOWED, TIMED_OUT};
use shim_runtime::service_error::{ErrorCode, ServiceError};
use shim_work::{
    AttemptFailure, AttemptOutcome, ClaimedTask, Executor, ProgressHandle, ProgressUpdate,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::EvolutionError;
use crate::metrics::Timed;
use crate::tool_host::ProgressSink;
use arguments::Arguments;

/// Does tasks with the rooms of this service.
pub(crate) struct AnalysisExecutor {
    engine: Engine,
}

/// What an attempt works with.
struct Attempt<'a> {
    engine: &'a Engine,
    claim: &'a ClaimedTask,
    progress: Arc<LatestProgress>,
    cancel: CancellationToken,
}

/// The newest progress of an attempt, taken by whoever reports it.
#[derive(Default)]
struct LatestProgress {
    note: Mutex<Option<String>>,
    changed: Notify,
}

impl LatestProgress {
    fn tell(&self, progress: &Progress) {
        let counted = match (progress.done, progress.total) {
            (done, total) if total > 0 => format!(" {done} of {total}"),
            (done, _) if done > 0 => format!(" {done}"),
            _ => String::new(),
        };
        let note = format!("{}{counted}: {}", progress.stage, progress.text);
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
        self.changed.notify_one();
    }

    fn take(&self) -> Option<String> {
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        note.take()
    }
}

impl AnalysisExecutor {
    pub(crate) const fn new(engine: Engine) -> Self {
        Self { engine }
    }

    async fn attempt(
        &self,
        claim: &ClaimedTask,
        progress: &ProgressHandle,
        stop: &CancellationToken,
    ) -> AttemptOutcome {
        let attempt = Attempt {
            engine: &self.engine,
            claim,
            progress: Arc::default(),
            cancel: stop.child_token(),
        };
        let latest = Arc::clone(&attempt.progress);
        let reporting = async {
            loop {
                latest.changed.notified().await;
                progress.update(ProgressUpdate {
                    note: latest.take(),
                    ..ProgressUpdate::default()
                });
            }
        };
        let done = tokio::select! {
            done = attempt.run() => done,
            () = reporting => return AttemptOutcome::Stopped,
        };
        match done {
            _ if stop.is_cancelled() => AttemptOutcome::Stopped,
            Ok(result) => AttemptOutcome::Completed(result),
            Err(failure) => AttemptOutcome::Failed(failure),
        }
    }
}

impl Attempt<'_> {
    /// Works once there is room, at most as long as the task or the service allows.
    async fn run(&self) -> Result<TaskResult, AttemptFailure> {
        let arguments = Arguments::of(&self.claim.task).map_err(|why| AttemptFailure {
            is_final: true,
            ..AttemptFailure::new(NOT_ALLOWED, &why)
        })?;
        let asked = shim_render::time::duration(self.claim.task.timeout);
        let limit = asked.unwrap_or(self.engine.config.timeout);
        let work = async {
            let _room = self.engine.room.acquire().await;
            Box::pin(self.of_kind(&arguments)).await
        };
        tokio::pin!(work);
        let done = tokio::select! {
            done = &mut work => done,
            () = tokio::time::sleep(limit) => {
                self.cancel.cancel();
                // It cleans up after itself.
                let _ = tokio::time::timeout(WIND_DOWN, work).await;
                let why = format!("it took longer than {} s", limit.as_secs());
                return Err(AttemptFailure::new(TIMED_OUT, &why));
            }
        };
        let noted = done.map(|result| arguments.noted(result));
        noted.map_err(|error| failure(self.engine.explained(error)))
    }

    async fn of_kind(&self, arguments: &Arguments) -> Result<TaskResult, EvolutionError> {
        match self.claim.task.kind.as_str() {
            "analyze" => self.timed("analyze", self.analyze(arguments)).await,
            "evolve" => self.evolve_as_asked(arguments).await,
            "generate_tests" => {
                self.timed("generate_tests", self.generate_tests(arguments))
                    .await
            }
            other => Err(EvolutionError::KindUnknown(other.to_owned())),
        }
    }

    async fn evolve_as_asked(&self, arguments: &Arguments) -> Result<TaskResult, EvolutionError> {
        if let Some(evolution_id) = arguments.text("evolution_id") {
            let applying = self.apply(arguments, evolution_id);
            return self.timed("approve", applying).await;
        }
        match arguments.text("offer") {
            Some(kind) => self.timed("evolve", self.offer(arguments, &kind)).await,
            None => self.timed("evolve", self.evolve(arguments)).await,
        }
    }

    async fn timed<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, EvolutionError>>,
    ) -> Result<T, EvolutionError> {
        let timed = Timed::begin(operation);
        let done = work.await;
        timed.end(done.is_ok());
        done
    }

    /// Where rooms say how far they are.
    fn sink(&self) -> ProgressSink {
        let latest = Arc::clone(&self.progress);
        ProgressSink::new(move |progress| latest.tell(&progress))
    }
}

/// How long work that was called off may take to clean up before it is dropped.
const WIND_DOWN: std::time::Duration = std::time::Duration::from_secs(10);

/// What failed, as who submitted the task reads it. What no further attempt can mend is final.
fn failure(error: EvolutionError) -> AttemptFailure {
    let error = ServiceError::from(error);
    let may_pass = matches!(
        error.code,
        ErrorCode::Unavailable | ErrorCode::ResourceExhausted | ErrorCode::Internal
    );
    let reason = match error.code {
        ErrorCode::PermissionDenied => NOT_ALLOWED,
        ErrorCode::DeadlineExceeded => TIMED_OUT,
        _ => EXECUTOR_FAILED,
    };
    let remedy = error
        .remedy
        .map(|remedy| format!("; {remedy}"))
        .unwrap_or_default();
    AttemptFailure {
        is_final: !may_pass,
        ..AttemptFailure::new(
            reason,
            &format!("{}: {}{remedy}", error.reason, error.message),
        )
    }
}

impl Executor for AnalysisExecutor {
    /// What may be missing, such as Node, is missing to a task, not to the worker: the task then fails and says so.
    fn check_runnable(&self) -> Result<(), String> {
        Ok(())
    }

    fn run<'a>(
        &'a self,
        claim: &'a ClaimedTask,
        progress: &'a ProgressHandle,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, AttemptOutcome> {
        Box::pin(self.attempt(claim, progress, stop))
    }
}
