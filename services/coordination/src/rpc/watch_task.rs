//! WatchTask: the log of a job after any cursor, then what comes, until the job has ended.
//!
//! The log is durable, so a watcher that was away goes on where it was. Publications only wake it; if one is missed, it
//! looks by itself.

use std::collections::HashMap;
use std::time::Duration;

use shim_proto::coordination::v1::{
    Task, TaskEvent, TaskState, WatchTaskRequest, WatchTaskResponse,
};
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::rpc::ResponseStream;
use shim_runtime::server::begin_streaming;
use shim_store::{Error, Store, Topic, TopicSubscription};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

/// Events that may wait for a slow watcher; then the log is read no further.
const EVENT_BUFFER: usize = 64;
/// Lines read at once.
const PAGE: usize = 200;
const POLL_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn handle(
    api: &Api,
    request: WatchTaskRequest,
) -> Result<ResponseStream<WatchTaskResponse>, Status> {
    let mut fields = Fields::default();
    let task_id = fields.task_id(&request.task_id);
    fields.cursor("after_cursor", &request.after_cursor);
    fields.finish()?;

    let tasks = &api.store.tasks;
    let task = tasks.get(&task_id).await?;
    let root_id = task.ok_or(Error::TaskNotFound(task_id.clone()))?.root_id;
    begin_streaming()?;
    let topic = Topic::Channel(tasks.channel(&root_id));
    let subscription = api.store.pubsub.subscribe(topic).await?;
    let (events, stream) = mpsc::channel(EVENT_BUFFER);
    let watch = TaskWatch {
        store: api.store.clone(),
        root_id,
        task_id,
        events: events.clone(),
    };
    let shutdown = api.background.shutdown().clone();
    let work = watch.run(subscription, request.after_cursor, shutdown);
    api.background.spawn_stream("watch_task", events, work);
    Ok(ReceiverStream::new(stream))
}

impl Fields {
    /// A place in a log, or nothing for its beginning.
    fn cursor(&mut self, field: &str, cursor: &str) {
        let is_number = |part: &str| part.parse::<u64>().is_ok();
        let is_cursor = cursor
            .split_once('-')
            .is_some_and(|(ms, number)| is_number(ms) && is_number(number));
        if !cursor.is_empty() && !is_cursor {
            self.refuse(
                field,
                "must be the cursor of an event, unchanged, or empty for the beginning",
            );
        }
    }
}

struct TaskWatch {
    store: Store,
    root_id: String,
    /// The root for all of the job, or the one subtask to tell of.
    task_id: String,
    events: mpsc::Sender<Result<WatchTaskResponse, Status>>,
}

impl TaskWatch {
    async fn run(self, subscription: TopicSubscription, after: String, shutdown: Shutdown) {
        let failed = tokio::select! {
            followed = self.follow(subscription, after) => followed.err(),
            () = self.events.closed() => None,
            () = shutdown.wait() => Some(Error::Stopping),
        };
        if let Some(error) = failed {
            let _ = self.events.send(Err(error.into())).await;
        }
    }

    async fn follow(
        &self,
        mut subscription: TopicSubscription,
        mut cursor: String,
    ) -> Result<(), Error> {
        loop {
            // Before the log is read: what ended the task is in the log by then.
            let is_over = self.is_over().await?;
            self.catch_up(&mut cursor).await?;
            if is_over {
                return Ok(());
            }
            tokio::select! {
                () = subscription.wait_for(|_| true) => {}
                () = tokio::time::sleep(POLL_EVERY) => {}
            }
        }
    }

    async fn is_over(&self) -> Result<bool, Error> {
        let task = self.task(&self.task_id).await?;
        let task = task.ok_or_else(|| Error::TaskNotFound(self.task_id.clone()))?;
        Ok(matches!(
            task.state(),
            TaskState::Completed | TaskState::Failed | TaskState::Cancelled
        ))
    }

    /// Tells the log after the cursor, and leaves the cursor at its end.
    async fn catch_up(&self, cursor: &mut String) -> Result<(), Error> {
        loop {
            let tasks = &self.store.tasks;
            let events = tasks.events(&self.root_id, cursor, PAGE).await?;
            let Some(last) = events.last() else {
                return Ok(());
            };
            last.cursor.clone_into(cursor);
            self.send(events).await?;
        }
    }

    /// Tells events, each with its task as it is now, which may be newer than the event.
    async fn send(&self, events: Vec<TaskEvent>) -> Result<(), Error> {
        let mut seen = HashMap::new();
        let is_wanted =
            |event: &TaskEvent| self.task_id == self.root_id || event.task_id == self.task_id;
        for event in events.into_iter().filter(is_wanted) {
            if !seen.contains_key(&event.task_id) {
                let task = self.task(&event.task_id).await?;
                seen.insert(event.task_id.clone(), task);
            }
            let response = WatchTaskResponse {
                task: seen.get(&event.task_id).cloned().flatten(),
                event: Some(event),
            };
            // A watcher that left closes the stream, which ends the task behind it.
            let _ = self.events.send(Ok(response)).await;
        }
        Ok(())
    }

    async fn task(&self, id: &str) -> Result<Option<Task>, Error> {
        let task = self.store.tasks.get(id).await?;
        Ok(task.map(|task| Task {
            result: None,
            ..task
        }))
    }
}
