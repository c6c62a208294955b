//! A job on behalf of another command, which tells how far it is and calls it off when it is interrupted.

use shim_proto::coordination::v1::{
    CancelTaskRequest, SubmitTaskRequest, Task, TaskState, WatchTaskResponse,
};
use shim_render::text::{one_line, short_id};
use tonic::{Response, Status, Streaming};

use super::event_log::open;
use super::job::{Job, has_ended};
use super::labels::state;
use crate::connection::{Coordination, call, request, request_id};
use crate::error::CliError;
use crate::event_stream::{EventStream, follow};

/// Submits a job and waits for its end. Ctrl-C calls it off, with all of its parts.
///
/// # Errors
/// If it does not complete, is interrupted, or the service refuses.
pub(crate) async fn run_job(
    service: &mut Coordination,
    submit: SubmitTaskRequest,
    tell: &mut dyn FnMut(&WatchTaskResponse),
) -> Result<Task, CliError> {
    let submitted = call(service.tasks.submit_task(request(submit))).await?;
    let task_id = submitted.task.unwrap_or_default().task_id;
    let mut events = Events {
        service: service.clone(),
        task_id: task_id.clone(),
        has_ended: false,
        tell,
    };
    tokio::select! {
        followed = follow(String::new(), &mut events) => followed?,
        Ok(()) = tokio::signal::ctrl_c() => {
            let cancel = CancelTaskRequest {
                request_id: request_id(),
                task_id: task_id.clone(),
                reason: "its command was interrupted".to_owned(),
            };
            call(service.tasks.cancel_task(request(cancel))).await?;
            return Err(CliError::new(format!("interrupted; job {} was called off", short_id(&task_id))));
        }
    }
    let ended = Job::read(service, &task_id).await?.root;
    match ended.state() {
        TaskState::Completed => Ok(ended),
        _ => Err(not_completed(ended)),
    }
}

fn not_completed(ended: Task) -> CliError {
    let (id, word) = (short_id(&ended.task_id).to_owned(), state(ended.state()));
    let why = ended.error.unwrap_or_default();
    let said = format!(
        "job {id} {word}: {} {}",
        one_line(&why.reason, 100),
        one_line(&why.message, 500)
    );
    CliError::new(said).hint(format!("`shim tasks show {id}` shows its parts"))
}

struct Events<'a> {
    service: Coordination,
    task_id: String,
    has_ended: bool,
    tell: &'a mut dyn FnMut(&WatchTaskResponse),
}

impl EventStream for Events<'_> {
    type Event = WatchTaskResponse;
    type Position = String;

    async fn open(&self, after: String) -> Result<Response<Streaming<WatchTaskResponse>>, Status> {
        open(&self.service, &self.task_id, after).await
    }

    async fn on_event(&mut self, response: WatchTaskResponse) -> Result<Option<String>, CliError> {
        (self.tell)(&response);
        if let Some(task) = response.task.filter(|task| task.task_id == self.task_id) {
            self.has_ended = has_ended(&task);
        }
        Ok(response.event.map(|event| event.cursor))
    }

    fn is_complete(&self) -> bool {
        self.has_ended
    }
}
