//! What the stack knows before the commands run, made over its real contracts.

use std::time::Duration;

use shim_proto::checkpoint::v1::attach_session_request::Message as Said;
use shim_proto::checkpoint::v1::{Attach, AttachSessionRequest, CheckpointState, Session};
use shim_proto::coordination::v1::{ApprovalGates, SubmitTaskRequest, Worker};
use shim_tests::calls;
use shim_tests::service::Service;
use shim_tests::tasks::{Claim, TaskClients, job, subtask};
use tokio_stream::once;

/// How long a worker waits for a task that is ready.
const WAIT: Duration = Duration::from_secs(20);

/// A session with two checkpoints.
pub(super) async fn limiter_session(stack: &Service) -> Session {
    let mut client = stack.client();
    let session = calls::open(&mut client, "/srv/limiter").await.unwrap();
    let first = CheckpointState {
        current_task: "write the token bucket".into(),
        progress: 0.25,
        decisions: vec!["integers, no floats".into()],
        next_steps: vec!["test the refill".into()],
        summary: "A rate limiter with a token bucket.".into(),
        ..Default::default()
    };
    let second = CheckpointState {
        current_task: "test the refill".into(),
        progress: 0.5,
        completed_steps: vec!["the bucket is written".into()],
        next_steps: vec!["measure it".into()],
        blockers: vec!["the clock of the test".into()],
        ..first.clone()
    };
    for state in [first, second] {
        calls::save(&mut client, &session, state).await.unwrap();
    }
    session
}

/// A session whose client was quit: it is interrupted.
pub(super) async fn interrupted_session(stack: &Service) -> Session {
    let mut client = stack.client();
    let session = calls::open(&mut client, "/srv/billing").await.unwrap();
    let state = CheckpointState {
        current_task: "round the invoices".into(),
        progress: 0.75,
        next_steps: vec!["run the month".into()],
        ..Default::default()
    };
    calls::save(&mut client, &session, state).await.unwrap();
    let attach = AttachSessionRequest {
        message: Some(Said::Attach(Attach {
            session_id: session.id.clone(),
            epoch: session.epoch,
            client: Some(calls::client_info()),
        })),
    };
    let mut events = client
        .attach_session(once(attach))
        .await
        .unwrap()
        .into_inner();
    while let Ok(Some(_)) = events.message().await {}
    session
}

/// A worker, outside of the worker service, that does what requires nothing.
pub(super) async fn worker(stack: &Service, name: &str) -> Worker {
    stack.tasks().register(name, 2).await.unwrap()
}

async fn submit(jobs: &mut TaskClients, request: SubmitTaskRequest) -> String {
    jobs.submit(request).await.unwrap().task.unwrap().task_id
}

/// A claim of the only task that is ready.
pub(super) async fn claim(jobs: &mut TaskClients, worker: &Worker) -> Claim {
    let claimed = jobs.claim(worker, WAIT).await.unwrap();
    claimed.expect("a task is ready")
}

/// A job of three parts in a row, of which the first is done, the second runs and the third waits.
pub(super) async fn running_job(stack: &Service, worker: &Worker) -> String {
    let mut jobs = stack.tasks();
    let request = SubmitTaskRequest {
        subtasks: vec![
            subtask("parse", &[]),
            subtask("port", &["parse"]),
            subtask("test", &["port"]),
        ],
        ..job("port the parser")
    };
    let id = submit(&mut jobs, request).await;
    let parse = claim(&mut jobs, worker).await;
    jobs.complete(&parse, "the grammar is read").await.unwrap();
    claim(&mut jobs, worker).await;
    id
}

/// A job of one task that is done.
pub(super) async fn completed_job(stack: &Service, worker: &Worker) -> String {
    let mut jobs = stack.tasks();
    let id = submit(&mut jobs, job("count the words")).await;
    let claimed = claim(&mut jobs, worker).await;
    jobs.complete(&claimed, "there are 1,204").await.unwrap();
    id
}

/// A job of one task that failed for good.
pub(super) async fn failed_job(stack: &Service, worker: &Worker) -> String {
    let mut jobs = stack.tasks();
    let id = submit(&mut jobs, job("divide by zero")).await;
    let claimed = claim(&mut jobs, worker).await;
    jobs.fail(&claimed, "there is no answer", true).await.unwrap();
    id
}

/// A job that no worker starts before a person approves it.
pub(super) async fn gated_job(stack: &Service) -> String {
    let request = SubmitTaskRequest {
        approval: Some(ApprovalGates {
            before_start: true,
            ..Default::default()
        }),
        ..job("delete old accounts")
    };
    submit(&mut stack.tasks(), request).await
}
