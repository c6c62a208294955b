//! What there is with some digits in its id: all sessions, workers, tasks and checkpoints are read, page by page.

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use shim_proto::checkpoint::v1::{
    Checkpoint, ListCheckpointsRequest, ListSessionsRequest, Session,
};
use shim_proto::coordination::v1::{ListTasksRequest, ListWorkersRequest, Task};
use shim_proto::limits::{self, task};
use shim_render::id_part::IdPart;
use tonic::Status;

use crate::gateway::Gateway;

/// Jobs or sessions that are looked into at a time: each costs a call.
const AT_A_TIME: usize = 16;
const WORKERS_PAGE: i32 = 500;

/// Something with such an id.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) id: String,
    /// What distinguishes it for a reader.
    pub(super) about: String,
}

/// A page of a list, and the token of the next one.
type Page<'a, T> = BoxFuture<'a, Result<(Vec<T>, String), Status>>;

/// Reads a list to its end.
async fn all<'a, T>(fetch: impl Fn(String) -> Page<'a, T>) -> Result<Vec<T>, Status> {
    let (mut entries, mut page_token) = (Vec::new(), String::new());
    loop {
        let (page, next) = fetch(page_token).await?;
        entries.extend(page);
        if next.is_empty() {
            return Ok(entries);
        }
        page_token = next;
    }
}

fn matching<T>(
    entries: Vec<T>,
    digits: &IdPart,
    of: impl Fn(T) -> (String, String),
) -> Vec<Candidate> {
    let found = entries.into_iter().map(of);
    found
        .filter(|(id, _)| digits.matches(id))
        .map(|(id, about)| Candidate { id, about })
        .collect()
}

pub(super) async fn sessions(gateway: &Gateway, digits: &IdPart) -> Result<Vec<Candidate>, Status> {
    let sessions = all_sessions(gateway).await?;
    Ok(matching(sessions, digits, |session| {
        (session.id, session.current_task)
    }))
}

async fn all_sessions(gateway: &Gateway) -> Result<Vec<Session>, Status> {
    all(|page_token| {
        Box::pin(async move {
            let request = ListSessionsRequest {
                page_size: limits::MAX_PAGE_SIZE.cast_signed(),
                page_token,
                ..ListSessionsRequest::default()
            };
            let page = gateway.services.list_sessions(request).await?;
            Ok((page.sessions, page.next_page_token))
        })
    })
    .await
}

pub(super) async fn workers(gateway: &Gateway, digits: &IdPart) -> Result<Vec<Candidate>, Status> {
    let workers = all(|page_token| {
        Box::pin(async move {
            let request = ListWorkersRequest {
                include_gone: true,
                page_size: WORKERS_PAGE,
                page_token,
                ..ListWorkersRequest::default()
            };
            let page = gateway.services.list_workers(request).await?;
            Ok((page.workers, page.next_page_token))
        })
    });
    Ok(matching(workers.await?, digits, |worker| {
        (worker.worker_id, worker.name)
    }))
}

pub(super) async fn jobs(gateway: &Gateway, digits: &IdPart) -> Result<Vec<Candidate>, Status> {
    Ok(matching(all_tasks(gateway, "").await?, digits, candidate))
}

fn candidate(task: Task) -> (String, String) {
    (task.task_id, task.goal)
}

/// The parts of a job.
pub(super) async fn parts_of(gateway: &Gateway, job: &str) -> Result<Vec<Task>, Status> {
    all_tasks(gateway, job).await
}

/// Jobs, or the parts of the job `root`.
async fn all_tasks(gateway: &Gateway, root: &str) -> Result<Vec<Task>, Status> {
    all(|page_token| {
        Box::pin(async move {
            let request = ListTasksRequest {
                root_id: root.to_owned(),
                page_size: task::MAX_PAGE_SIZE,
                page_token,
                ..ListTasksRequest::default()
            };
            let page = gateway.services.list_tasks(request).await?;
            Ok((page.tasks, page.next_page_token))
        })
    })
    .await
}

/// Parts of all jobs.
pub(super) async fn parts(gateway: &Gateway, digits: &IdPart) -> Result<Vec<Candidate>, Status> {
    let jobs = all_tasks(gateway, "").await?;
    let split = jobs.into_iter().filter(|job| job.subtasks.is_some());
    let lists = split.map(|job| {
        let list = async move {
            let parts = all_tasks(gateway, &job.task_id).await?;
            Ok(matching(parts, digits, candidate))
        };
        list.boxed()
    });
    gathered(lists.collect()).await
}

/// Checkpoints of all sessions.
pub(super) async fn checkpoints(
    gateway: &Gateway,
    digits: &IdPart,
) -> Result<Vec<Candidate>, Status> {
    let sessions = all_sessions(gateway).await?;
    let saved = sessions
        .into_iter()
        .filter(|session| session.head_number > 0);
    let lists = saved.map(|session| {
        let list = async move {
            let checkpoints = all_checkpoints(gateway, &session.id).await?;
            let about = |checkpoint: Checkpoint| {
                let (number, session) = (checkpoint.number, &checkpoint.session_id);
                let about = format!("{session}:{number}, {}", checkpoint.current_task);
                (checkpoint.id, about)
            };
            Ok(matching(checkpoints, digits, about))
        };
        list.boxed()
    });
    gathered(lists.collect()).await
}

async fn all_checkpoints(gateway: &Gateway, session_id: &str) -> Result<Vec<Checkpoint>, Status> {
    all(|page_token| {
        Box::pin(async move {
            let request = ListCheckpointsRequest {
                session_id: session_id.to_owned(),
                page_size: limits::MAX_PAGE_SIZE.cast_signed(),
                page_token,
            };
            let page = gateway.services.list_checkpoints(request).await?;
            Ok((page.checkpoints, page.next_page_token))
        })
    })
    .await
}

async fn gathered(
    lists: Vec<BoxFuture<'_, Result<Vec<Candidate>, Status>>>,
) -> Result<Vec<Candidate>, Status> {
    stream::iter(lists).buffered(AT_A_TIME).try_concat().await
}
