//! `Stop`: a window that registered as a worker goes on while a task that fits it waits or messages are unread; one that
//! submitted jobs, when one of them ended or waits for approval. No other turn is kept going.
//!
//! The task is claimed here and handed over whole, so that no other worker has it meanwhile; if its words cannot be
//! written, it goes back, and if the hook dies before they are, the next end of a turn says them. Messages are acknowledged once they are written.

mod claim_name;
mod continuations;
pub(super) mod promise;
mod task_text;
mod words;

use std::path::Path;
use std::time::Duration;

use shim_claude_code::hook_input::HookInput;
use shim_proto::coordination::v1::{
    GetTaskRequest, GetWorkerRequest, Message, ReceiveMessagesRequest, Task, Worker, WorkerKind,
    WorkerState,
};
use shim_proto::limits::coordination::OWN_SENDER;
use shim_proto::reasons::NO_ROOM;
use shim_proto::worker::v1::ClaimTaskRequest;
use shim_runtime::service_error::decode;

use super::hook_folder::HookFolder;
use super::journal::Line;
use super::reply::Reply;
use super::stack::{HookStack, Trouble};
use claim_name::ClaimName;
use continuations::Continuations;
use promise::{Promise, PromisedReply, WITHIN};

/// A task that waits is matched within milliseconds.
const CLAIM_WAIT: Duration = Duration::from_millis(150);
/// Messages of one answer.
const MAX_MESSAGES: i32 = 10;

/// What is to be said at the end of this turn.
pub(super) async fn run(
    stack: &HookStack,
    hook: &HookInput,
    session_id: &str,
    place: &HookFolder,
) -> PromisedReply {
    if !stack.settings().keep_workers_going || session_id.is_empty() {
        return PromisedReply::default();
    }
    let continuations = Continuations::of(&place.spool, hook);
    if continuations.is_over() {
        return PromisedReply::default();
    }
    let stack = stack.within(WITHIN);
    let claim_file = place.spool.claim_path(&hook.conversation);
    match next(&stack, session_id, &continuations, &claim_file).await {
        Ok(Some((words, promise))) => PromisedReply {
            reply: Reply::KeepGoing(words),
            promise: Promise {
                stack: Some(stack),
                session_id: session_id.to_owned(),
                continuations: Some(continuations),
                ..promise
            },
        },
        Ok(None) => PromisedReply::default(),
        Err(why) => {
            place.journal.note(&match why {
                // Without a Redis there is no worker to be kept going.
                Trouble::Away(why) => Line::left_out(hook, &why),
                Trouble::Refused(why) => Line::error_of(hook, &why),
            });
            PromisedReply::default()
        }
    }
}

async fn next(
    stack: &HookStack,
    session_id: &str,
    continuations: &Continuations,
    claim_file: &Path,
) -> Result<Option<(String, Promise)>, Trouble> {
    let (worker, unread) = tokio::join!(worker(stack, session_id), peek(stack, session_id));
    let (worker, unread) = (worker?, unread?);
    let is_for_supervisor = unread.iter().any(|message| message.sender == OWN_SENDER);
    if is_for_supervisor || (worker.is_some() && !unread.is_empty()) {
        let messages = receive(stack, session_id).await?;
        if !messages.is_empty() {
            let (words, told) = words::of_messages(&messages, continuations.is_last());
            let told = messages.into_iter().take(told);
            let promise = Promise {
                delivered: told.map(|message| message.message_id).collect(),
                ..Promise::default()
            };
            return Ok(Some((words, promise)));
        }
    }
    let Some(worker) = worker else {
        return Ok(None);
    };
    let name = ClaimName::of(claim_file, &worker);
    next_task(stack, &worker, name, continuations.is_last()).await
}

/// The task that the worker is given now, in words.
async fn next_task(
    stack: &HookStack,
    worker: &Worker,
    mut name: ClaimName,
    is_last: bool,
) -> Result<Option<(String, Promise)>, Trouble> {
    let claimed = match left_behind(stack, worker, &name).await? {
        Some(claimed) => Some(claimed),
        None => claim(stack, worker, &name).await?,
    };
    let Some((task, lease)) = claimed else {
        return Ok(None);
    };
    name.note(&task, lease);
    let job = job(stack, &task).await;
    let words = task_text::of(&task, lease, job.as_ref(), is_last);
    let promise = Promise {
        claimed: Some((task.task_id, lease)),
        claim_name: Some(name),
        ..Promise::default()
    };
    Ok(Some((words, promise)))
}

/// The session as a worker that takes tasks now.
async fn worker(stack: &HookStack, session_id: &str) -> Result<Option<Worker>, Trouble> {
    let Some(mut registry) = stack.registry() else {
        return Ok(None);
    };
    let request = stack.request(GetWorkerRequest {
        worker_id: session_id.to_owned(),
    });
    let found = match stack.answer(registry.get_worker(request)).await {
        // Nobody registered it.
        Err(Trouble::Refused(_)) => None,
        found => found?.worker,
    };
    let takes_tasks = |worker: &Worker| {
        let is_here = matches!(
            worker.state(),
            WorkerState::Starting | WorkerState::Idle | WorkerState::Busy
        );
        is_here && worker.kind() == WorkerKind::Chat
    };
    Ok(found.filter(takes_tasks))
}

/// The messages that wait, given out before or not: nothing of them changes.
async fn peek(stack: &HookStack, session_id: &str) -> Result<Vec<Message>, Trouble> {
    messages(stack, session_id, true).await
}

/// The messages that nobody has now; they are hidden from others until they are acknowledged, or for half a minute.
async fn receive(stack: &HookStack, session_id: &str) -> Result<Vec<Message>, Trouble> {
    messages(stack, session_id, false).await
}

async fn messages(
    stack: &HookStack,
    session_id: &str,
    peek: bool,
) -> Result<Vec<Message>, Trouble> {
    let Some(mut bus) = stack.bus() else {
        return Ok(Vec::new());
    };
    let request = stack.request(ReceiveMessagesRequest {
        inbox: session_id.to_owned(),
        max_messages: MAX_MESSAGES,
        peek,
        ..ReceiveMessagesRequest::default()
    });
    let received = stack.answer(bus.receive_messages(request)).await?;
    Ok(received.messages)
}

/// The task of a claim whose hook died before it could say so, if the worker still has it.
async fn left_behind(
    stack: &HookStack,
    worker: &Worker,
    name: &ClaimName,
) -> Result<Option<(Task, u64)>, Trouble> {
    let (Some(given), Some(mut tasks)) = (&name.given, stack.tasks()) else {
        return Ok(None);
    };
    let request = stack.request(GetTaskRequest {
        task_id: given.task_id.clone(),
        with_subtasks: false,
    });
    match stack.answer(tasks.get_task(request)).await {
        Ok(found) => {
            let task = found.task.filter(|task| given.stands(task, worker));
            Ok(task.map(|task| (task, given.lease)))
        }
        // It is no more.
        Err(Trouble::Refused(_)) => Ok(None),
        Err(away) => Err(away),
    }
}

/// A task that fits, with its lease. A worker that has one already gets no other. The name stays if the claim may stand.
async fn claim(
    stack: &HookStack,
    worker: &Worker,
    name: &ClaimName,
) -> Result<Option<(Task, u64)>, Trouble> {
    let Some(mut service) = stack.worker() else {
        return Ok(None);
    };
    let request = stack.request(ClaimTaskRequest {
        request_id: name.request_id.to_string(),
        worker_id: worker.worker_id.clone(),
        epoch: worker.epoch,
        wait: prost_types::Duration::try_from(CLAIM_WAIT).ok(),
    });
    let has_no_room = std::cell::Cell::new(false);
    let claimed = async {
        let claimed = service.claim_task(request).await;
        let no_room = |status: &tonic::Status| decode(status).reason == NO_ROOM;
        has_no_room.set(claimed.as_ref().is_err_and(no_room));
        claimed
    };
    let claimed = match stack.answer(claimed).await {
        Ok(claimed) => Ok(claimed.task.map(|task| (task, claimed.lease))),
        Err(_) if has_no_room.get() => Ok(None),
        Err(why) => Err(why),
    };
    if matches!(claimed, Ok(None) | Err(Trouble::Refused(_))) {
        name.forget();
    }
    claimed
}

/// The job that a task is a part of; `None` for a job of its own, or if it cannot be told now.
async fn job(stack: &HookStack, task: &Task) -> Option<Task> {
    if task.root_id.is_empty() || task.root_id == task.task_id {
        return None;
    }
    let request = stack.request(GetTaskRequest {
        task_id: task.root_id.clone(),
        with_subtasks: false,
    });
    let mut tasks = stack.tasks()?;
    stack.answer(tasks.get_task(request)).await.ok()?.task
}
