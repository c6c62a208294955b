//! `action=wait`: what happened to a job since a cursor. It answers when the job has ended, when the job needs
//! a look (approval, failure, stuck), or when the time is up.

use std::time::Duration;

use serde_json::Value;
use shim_proto::coordination::v1::{
    GetTaskRequest, GetTaskResponse, Task, TaskEvent, TaskEventKind as Kind, TaskState,
    WatchTaskRequest, WatchTaskResponse,
};
use shim_render::page::Page;
use tokio::time::{Instant, timeout_at};
use tonic::{Status, Streaming};

use super::parameters::MAX_WAIT_S;
use super::refusals::to_error;
use crate::render::brief::{self, Facts, Known};
use crate::render::tasks;
use crate::render::workers::WorkerNames;
use crate::services::{Services, is_connection_lost, is_unauthenticated};
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput, known};

/// Events that come within this time after the first one belong to the same answer.
const SETTLE_TIME: Duration = Duration::from_millis(100);
/// The log needs this long to arrive, even for a call that does not want to wait.
const MIN_WAIT: Duration = Duration::from_millis(500);
/// Before a log that broke off is asked for again.
const BACKOFF: Duration = Duration::from_millis(250);
/// Events in an answer; the others come with the next one.
const MAX_EVENTS: usize = 60;

pub(super) async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let seconds = call.arguments.integer("wait_seconds").unwrap_or(MAX_WAIT_S);
    let wait = call
        .gateway
        .client_context
        .within_call(Duration::from_secs(seconds));
    let until = Instant::now() + wait.max(MIN_WAIT);
    let task_id = call.arguments.text_or_empty("task_id");
    let mut log = EventLog::after(&task_id, call.arguments.text_or_empty("cursor"));
    let services = &call.gateway.services;
    let watched = log.watch(services, until).await;
    watched.map_err(|status| rename_fields(to_error(status)))?;
    let request = GetTaskRequest {
        task_id,
        with_subtasks: false,
    };
    let (now, names) = tokio::join!(
        services.try_get_task(request),
        WorkerNames::look_up(services)
    );
    let session_id = call.context_session_id();
    let answer = render(&log, now.ok(), &names, &known(session_id.as_ref()));
    Ok(answer.about(session_id))
}

/// The service's name of a field as this tool has it.
fn rename_fields(mut error: ToolError) -> ToolError {
    for (field, _) in &mut error.fields {
        *field = field.replace("after_cursor", "cursor");
    }
    error
}

/// The log as far as it was read.
struct EventLog {
    task_id: String,
    cursor: String,
    events: Vec<(TaskEvent, String)>,
    /// The task as the last event left it.
    own_task: Option<Task>,
    is_full: bool,
}

/// Why listening stopped.
enum Stop {
    /// The time is up, the answer is full, or the task has ended.
    Enough,
    /// The connection broke off, or our token was replaced.
    Lost(Status),
    /// The service ended it.
    Refused(Status),
}

impl EventLog {
    fn after(task_id: &str, cursor: String) -> Self {
        Self {
            task_id: task_id.to_owned(),
            cursor,
            events: Vec::new(),
            own_task: None,
            is_full: false,
        }
    }

    /// Reads until there is something to answer or the time is up, over lost connections. Fails if the log could not be
    /// opened, or broke off and did not come back with any event.
    async fn watch(&mut self, services: &Services, until: Instant) -> Result<(), Status> {
        let mut lost = None;
        loop {
            let request = WatchTaskRequest {
                task_id: self.task_id.clone(),
                after_cursor: self.cursor.clone(),
            };
            let opened = timeout_at(until, services.watch_task(request)).await;
            let broken = match (opened, lost) {
                (Ok(Ok(stream)), _) => match self.read(stream, until).await {
                    Stop::Enough => return Ok(()),
                    Stop::Refused(status) => return Err(status),
                    Stop::Lost(status) => status,
                },
                // A service that answered before is only away.
                (Ok(Err(_)) | Err(_), Some(status)) => status,
                (Ok(Err(status)), None) => return Err(status),
                (Err(_), None) => {
                    return Err(Status::unavailable("its log did not open in time"));
                }
            };
            if !self.events.is_empty() {
                return Ok(());
            }
            if Instant::now() + BACKOFF >= until {
                return Err(broken);
            }
            tracing::debug!(code = ?broken.code(), "a job's log broke off: {}", broken.message());
            lost = Some(broken);
            tokio::time::sleep(BACKOFF).await;
        }
    }

    async fn read(&mut self, mut stream: Streaming<WatchTaskResponse>, until: Instant) -> Stop {
        let mut until = until;
        loop {
            match timeout_at(until, stream.message()).await {
                Ok(Ok(Some(line))) => {
                    if self.add(line) {
                        until = until.min(Instant::now() + SETTLE_TIME);
                    }
                    if self.is_full {
                        return Stop::Enough;
                    }
                }
                Ok(Ok(None)) | Err(_) => return Stop::Enough,
                Ok(Err(status)) if is_connection_lost(&status) => {
                    return Stop::Lost(Status::unavailable("its log broke off"));
                }
                Ok(Err(status)) if is_unauthenticated(&status) => return Stop::Lost(status),
                Ok(Err(status)) => return Stop::Refused(status),
            }
        }
    }

    /// Adds a line; `true` if the wait must answer at once.
    fn add(&mut self, line: WatchTaskResponse) -> bool {
        let Some(event) = line.event else {
            return false;
        };
        self.cursor.clone_from(&event.cursor);
        let task = line.task.unwrap_or_default();
        let is_own = event.task_id == self.task_id;
        let kind = event.kind();
        if kind == Kind::Progress {
            // Only how far it is now.
            self.events.retain(|(earlier, _)| {
                earlier.kind() != Kind::Progress || earlier.task_id != event.task_id
            });
        }
        // What waits is in the table of the job, part by part.
        if is_own || !matches!(kind, Kind::Submitted | Kind::Ready) {
            self.events.push((event, task.key.clone()));
            self.is_full = self.events.len() >= MAX_EVENTS;
        }
        if is_own {
            self.own_task = Some(task);
        }
        match kind {
            Kind::AwaitingApproval | Kind::Stuck | Kind::Failed | Kind::Escalated => true,
            Kind::Completed | Kind::Cancelled => is_own,
            _ => false,
        }
    }
}

fn render(
    log: &EventLog,
    now: Option<GetTaskResponse>,
    names: &WorkerNames,
    known: &Known<'_>,
) -> ToolOutput {
    let task = now
        .and_then(|now| now.task)
        .or_else(|| log.own_task.clone());
    let ended = task.as_ref().is_some_and(has_ended);
    let mut text = Page::of(match log.events.len() {
        0 if ended => "Nothing more happened: it has ended.".to_owned(),
        0 => "Still waiting: nothing happened so far.".to_owned(),
        count => format!("{count} event(s):"),
    });
    for (event, key) in &log.events {
        text.line(format!("- {}", tasks::event(event, key, names)));
    }
    if let Some(task) = &task {
        text.append(&tasks::task("Now: ", task, names));
    }
    text.line(format!("cursor: {}", log.cursor));
    let events = log.events.iter();
    let events: Vec<Value> = events
        .map(|(event, key)| brief::event(event, key, names))
        .collect();
    let facts = Facts::new()
        .set("events", events)
        .set("ended", ended)
        .set("cursor", log.cursor.as_str())
        .set_some("task", task.as_ref().map(|task| brief::job(task, known)));
    ToolOutput::new(text, facts, next_step(log, task.as_ref()))
}

fn next_step(log: &EventLog, task: Option<&Task>) -> String {
    let gated = log.events.iter().map(|(event, _)| event);
    let gated: Vec<_> = gated
        .filter(|event| event.kind() == Kind::AwaitingApproval)
        .collect();
    match (task.map(Task::state), gated.as_slice()) {
        (Some(TaskState::Completed), _) => "action=results gathers the results".to_owned(),
        (Some(TaskState::Failed | TaskState::Cancelled), _) => {
            "action=results shows what there is and what is missing; action=retry takes it up again"
                .to_owned()
        }
        (_, [event]) => format!(
            "task {} waits for an approval; when the user has decided, action=approve with its task_id",
            event.task_id
        ),
        (_, [_, ..]) => {
            "several parts wait for an approval, each by its own task_id, which action=status \
            lists; when the user has decided, action=approve for each"
                .to_owned()
        }
        _ if log.is_full => "there is more; action=wait with this cursor goes on".to_owned(),
        _ => "action=wait with this cursor goes on waiting".to_owned(),
    }
}

fn has_ended(task: &Task) -> bool {
    matches!(
        task.state(),
        TaskState::Completed | TaskState::Failed | TaskState::Cancelled
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cursor: &str, task_id: &str, kind: Kind, progress: f64) -> WatchTaskResponse {
        let event = TaskEvent {
            cursor: cursor.into(),
            task_id: task_id.into(),
            kind: kind.into(),
            progress,
            ..TaskEvent::default()
        };
        WatchTaskResponse {
            event: Some(event),
            task: None,
        }
    }

    #[test]
    fn only_the_last_progress_of_a_part_is_listed_and_the_cursor_is_the_last_line() {
        let mut log = EventLog::after("job", String::new());
        for (cursor, task, kind, progress) in [
            ("1", "a", Kind::Ready, 0.0),
            ("2", "a", Kind::Progress, 0.2),
            ("3", "b", Kind::Progress, 0.5),
            ("4", "a", Kind::Progress, 0.9),
        ] {
            assert!(!log.add(line(cursor, task, kind, progress)));
        }
        let progress: Vec<_> = log.events.iter().map(|(event, _)| event.progress).collect();
        assert_eq!(progress, [0.5, 0.9]);
        assert_eq!(log.cursor, "4");
    }

    #[test]
    fn the_end_of_a_part_can_wait_and_the_end_of_the_job_cannot() {
        let mut log = EventLog::after("job", String::new());
        assert!(!log.add(line("1", "a", Kind::Completed, 1.0)));
        assert!(log.add(line("2", "job", Kind::Completed, 1.0)));
        assert!(log.add(line("3", "b", Kind::Failed, 0.0)));
    }

    #[test]
    fn a_long_log_is_answered_in_pieces() {
        let mut log = EventLog::after("job", String::new());
        for number in 0..MAX_EVENTS {
            assert!(!log.is_full);
            log.add(line(&number.to_string(), "a", Kind::Retrying, 0.0));
        }
        assert!(log.is_full);
    }
}
