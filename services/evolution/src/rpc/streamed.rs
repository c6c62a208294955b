//! What the long calls have in common: messages that carry one event each, a place to work, a limit, and an end that
//! comes soon after the client has gone.

use std::time::Duration;

use prost::Message;
use shim_proto::evolution::v1::{
    AnalyzeWorkflowResponse, ApproveEvolutionResponse, EvolveCodeResponse, GenerateTestsResponse,
    Progress, analyze_workflow_response, approve_evolution_response, evolve_code_response,
    generate_tests_response,
};
use shim_runtime::background::BackgroundTasks;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::EvolutionError;
use crate::tool_host::ProgressSink;

/// How long work that was called off may take to clean up before it is dropped.
const WIND_DOWN: Duration = Duration::from_secs(10);

/// What long calls work with. Clones share it.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) engine: Engine,
    pub(super) tasks: BackgroundTasks,
}

/// A message of a stream: one event.
pub(super) trait Streamed: Message + Default + Clone + Send + 'static {
    /// What it carries.
    type Event: Send + 'static;

    /// The message of an event.
    fn of(event: Self::Event) -> Self;

    /// The message of progress.
    fn progress(progress: Progress) -> Self;

    /// Whether it tells of progress, which is worth nothing later.
    fn is_progress(&self) -> bool;
}

macro_rules! streamed {
    ($($response:ident in $module:ident),* $(,)?) => {$(
        impl Streamed for $response {
            type Event = $module::Event;

            fn of(event: Self::Event) -> Self {
                Self { event: Some(event) }
            }

            fn progress(progress: Progress) -> Self {
                Self::of($module::Event::Progress(progress))
            }

            fn is_progress(&self) -> bool {
                matches!(self.event, Some($module::Event::Progress(_)))
            }
        }
    )*};
}

streamed! {
    AnalyzeWorkflowResponse in analyze_workflow_response,
    EvolveCodeResponse in evolve_code_response,
    ApproveEvolutionResponse in approve_evolution_response,
    GenerateTestsResponse in generate_tests_response,
}

/// Where rooms say how far they are: to the messages of a stream. What finds no room is worth no wait.
pub(super) fn progress_to<T: Streamed>(messages: &mpsc::Sender<T>) -> ProgressSink {
    // A run ends when nobody can say anything any more, and rooms may keep a sink.
    let messages = messages.downgrade();
    ProgressSink::new(move |progress| {
        if let Some(messages) = messages.upgrade() {
            let _ = messages.try_send(T::progress(progress));
        }
    })
}

/// Runs `work` once there is room for it. It ends by itself, after `evolution.timeout`, with the service, or when `cancel`
/// is cancelled; in the last three cases `cancel` tells `work`, which then cleans up.
pub(super) async fn bounded<T: Streamed, R>(
    calls: &Calls,
    events: &mpsc::Sender<T>,
    cancel: &CancellationToken,
    work: impl Future<Output = Result<R, EvolutionError>>,
) -> Result<R, EvolutionError> {
    let _room = wait_for_room(calls, events, cancel).await?;
    let limit = calls.engine.config.timeout;
    tokio::pin!(work);
    let end = tokio::select! {
        done = &mut work => return done,
        () = cancel.cancelled() => EvolutionError::Cancelled,
        () = tokio::time::sleep(limit) => EvolutionError::CallTooLong { seconds: limit.as_secs() },
        () = calls.tasks.shutdown().wait() => EvolutionError::Stopping,
    };
    cancel.cancel();
    // What it says now is that it was cancelled; the reason is known here.
    let _ = tokio::time::timeout(WIND_DOWN, work).await;
    Err(end)
}

async fn wait_for_room<'a, T: Streamed>(
    calls: &'a Calls,
    events: &mpsc::Sender<T>,
    cancel: &CancellationToken,
) -> Result<tokio::sync::SemaphorePermit<'a>, EvolutionError> {
    if let Ok(room) = calls.engine.room.try_acquire() {
        return Ok(room);
    }
    let told = Progress {
        stage: "waiting".to_owned(),
        text: "other calls are being worked on (evolution.parallel)".to_owned(),
        ..Progress::default()
    };
    let _ = events.try_send(T::progress(told));
    tokio::select! {
        room = calls.engine.room.acquire() => room.map_err(|_| EvolutionError::Stopping),
        () = cancel.cancelled() => Err(EvolutionError::Cancelled),
        () = calls.tasks.shutdown().wait() => Err(EvolutionError::Stopping),
    }
}
