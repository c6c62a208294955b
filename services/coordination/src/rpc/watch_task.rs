//! WatchTask: the log of a job after any cursor, then every new entry, until the job has ended.
//!
//! The log is durable, so a client that was away continues at its cursor. Publications only wake the watch. It also polls,
//! so a lost publication delays an event and loses none.

use std::collections::HashMap;

use shim_proto::coordination::v1::{
    Task, TaskEvent, TaskState, WatchTaskRequest, WatchTaskResponse,
};
use shim_runtime::rpc::ResponseStream;
use shim_runtime::server::begin_streaming;
use shim_store::{Error, Store, Topic, TopicSubscription};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::stream::{self, EventSender};
use super::watch::{EVENT_BUFFER, POLL_EVERY};

/// Entries of the log read at once.
const PAGE: usize = 200;

pub(super) async fn handle(
    api: &Api,
    request: WatchTaskRequest,
) -> Result<ResponseStream<WatchTaskResponse>, Status> {
    let mut fields = Fields::default();
    let task_id = fields.task_id(&request.task_id).to_string();
    fields.cursor("after_cursor", &request.after_cursor);
    fields.finish()?;

    let tasks = &api.store.tasks;
    let task = tasks.get(&task_id).await?;
    let root_id = task.ok_or(Error::TaskNotFound(task_id.clone()))?.root_id;
    begin_streaming()?;
    let topic = Topic::Channel(tasks.channel(&root_id));
    let subscription = api.store.pubsub.subscribe(topic).await?;
    let store = api.store.clone();
    Ok(stream::start(
        &api.background,
        "watch_task",
        EVENT_BUFFER,
        |events| {
            let watch = TaskWatch {
                store,
                root_id,
                task_id,
                events,
            };
            watch.follow(subscription, request.after_cursor)
        },
    ))
}

impl Fields {
    /// The cursor of an event in a log, or an empty text for the log's beginning.
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
    /// The root to watch the whole job, or a subtask to watch that alone.
    task_id: String,
    events: EventSender<WatchTaskResponse>,
}

impl TaskWatch {
    async fn follow(
        self,
        mut subscription: TopicSubscription,
        mut cursor: String,
    ) -> Result<(), Error> {
        loop {
            // The state is read before the log, so the log of an ended task holds the event that ended it.
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

    /// Sends the log after the cursor, and moves the cursor to the log's end.
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

    /// Sends events, each with the present record of its task, which may be newer than the event.
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
            // A failed send needs no handling: the client closed the stream, which ends this task.
            let _ = self.events.send(Ok(response)).await;
        }
        Ok(())
    }

    async fn task(&self, id: &str) -> Result<Option<Task>, Error> {
        let mut task = self.store.tasks.get(id).await?;
        let noted = self.store.tasks.note_holds(task.as_mut_slice());
        noted.await?;
        Ok(task.map(|task| Task {
            result: None,
            ..task
        }))
    }
}
