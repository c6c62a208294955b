//! Stories of the recipients of a message: a session, a worker, or every worker with a capability.

use futures::future::join_all;
use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::Code;

use super::test_service::{TestService, id, refusal};

/// Registers a worker with a capability; a worker with a session is the chat window of that session.
async fn worker(service: &TestService, capability: &str, session_id: &str) -> Worker {
    let kind = if session_id.is_empty() {
        WorkerKind::Agent
    } else {
        WorkerKind::Chat
    };
    let request = RegisterWorkerRequest {
        request_id: id(),
        kind: kind.into(),
        capabilities: vec![capability.into(), "any".into()],
        session_id: session_id.into(),
        ..Default::default()
    };
    let answer = service.registry.clone().register_worker(request).await;
    answer.unwrap().into_inner().worker.unwrap()
}

async fn leave(service: &TestService, worker: &Worker) {
    let request = DeregisterWorkerRequest {
        request_id: id(),
        worker_id: worker.worker_id.clone(),
        epoch: worker.epoch,
        ..Default::default()
    };
    let left = service.registry.clone().deregister_worker(request).await;
    left.unwrap();
}

fn message(recipient: Recipient) -> SendMessageRequest {
    SendMessageRequest {
        request_id: id(),
        recipient: Some(recipient),
        sender: "me".into(),
        text: "come in".into(),
        data: None,
    }
}

async fn send(service: &TestService, request: &SendMessageRequest) -> u32 {
    let answer = service.bus.clone().send_message(request.clone()).await;
    answer.unwrap().into_inner().recipients
}

/// The number of messages in an inbox; they stay there.
async fn count(service: &TestService, inbox: &str) -> u64 {
    let request = ReceiveMessagesRequest {
        inbox: inbox.into(),
        max_messages: 1,
        ..Default::default()
    };
    let answer = service.bus.clone().receive_messages(request).await;
    let answer = answer.unwrap().into_inner();
    answer.remaining + u64::try_from(answer.messages.len()).unwrap()
}

async fn fill(service: &TestService, session: &str, count: usize) {
    let sends = (0..count).map(|_| {
        let request = message(Recipient::SessionId(session.into()));
        async move { send(service, &request).await }
    });
    join_all(sends).await;
}

#[tokio::test]
async fn every_living_worker_with_the_capability_gets_the_message_once() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let session = id();
    let window = worker(&service, "rust", &session).await;
    let second_window = worker(&service, "rust", &session).await;
    let (agent, gopher) = (
        worker(&service, "rust", "").await,
        worker(&service, "go", "").await,
    );
    let request = message(Recipient::Capability("rust".into()));
    assert_eq!(
        send(&service, &request).await,
        2,
        "two windows share one session"
    );
    // A repetition reaches the same workers, and stores no message twice.
    let late = worker(&service, "rust", "").await;
    assert_eq!(send(&service, &request).await, 2);
    for (inbox, expected) in [
        (&session, 1),
        (&agent.worker_id, 1),
        (&late.worker_id, 0),
        (&window.worker_id, 0),
        (&second_window.worker_id, 0),
        (&gopher.worker_id, 0),
    ] {
        assert_eq!(count(&service, inbox).await, expected);
    }
}

#[tokio::test]
async fn a_worker_that_left_gets_nothing_and_no_recipient_is_an_error() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let gone = worker(&service, "rust", "").await;
    leave(&service, &gone).await;
    let request = message(Recipient::Capability("rust".into()));
    let refused = refusal(service.bus.send_message(request).await);
    assert_eq!(refused, (Code::FailedPrecondition, "NO_RECIPIENTS".into()));
    let request = message(Recipient::WorkerId(gone.worker_id.clone()));
    let refused = refusal(service.bus.send_message(request).await);
    assert_eq!(refused, (Code::FailedPrecondition, "NO_RECIPIENTS".into()));
    assert_eq!(count(&service, &gone.worker_id).await, 0);
    // The session of a window may be restored, and then reads what came.
    let session = id();
    let window = worker(&service, "rust", &session).await;
    leave(&service, &window).await;
    let request = message(Recipient::WorkerId(window.worker_id.clone()));
    assert_eq!(send(&service, &request).await, 1);
    assert_eq!(count(&service, &session).await, 1);
}

#[tokio::test]
async fn a_message_to_a_workers_window_is_read_in_its_session() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let session = id();
    let (window, agent) = (
        worker(&service, "rust", &session).await,
        worker(&service, "rust", "").await,
    );
    for id in [&window.worker_id, &agent.worker_id] {
        let request = message(Recipient::WorkerId(id.to_uppercase()));
        assert_eq!(send(&service, &request).await, 1);
    }
    for (inbox, expected) in [(&session, 1), (&window.worker_id, 0), (&agent.worker_id, 1)] {
        assert_eq!(count(&service, inbox).await, expected);
    }
}

#[tokio::test]
async fn a_message_to_an_unknown_worker_is_refused() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let stranger = id();
    let request = message(Recipient::WorkerId(stranger.clone()));
    let refused = refusal(service.bus.send_message(request.clone()).await);
    assert_eq!(refused, (Code::NotFound, "WORKER_NOT_FOUND".into()));
    assert_eq!(count(&service, &stranger).await, 0);
    // A refusal is not remembered.
    let registration = RegisterWorkerRequest {
        request_id: id(),
        worker_id: stranger.clone(),
        kind: WorkerKind::Agent.into(),
        ..Default::default()
    };
    service
        .registry
        .register_worker(registration)
        .await
        .unwrap();
    assert_eq!(send(&service, &request).await, 1);
    assert_eq!(count(&service, &stranger).await, 1);
}

#[tokio::test]
async fn a_repetition_goes_where_the_first_try_went() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let (agent, session) = (worker(&service, "rust", "").await, id());
    let request = message(Recipient::WorkerId(agent.worker_id.clone()));
    assert_eq!(send(&service, &request).await, 1);
    // Between two tries the worker becomes the window of a session.
    let window = RegisterWorkerRequest {
        request_id: id(),
        worker_id: agent.worker_id.clone(),
        kind: WorkerKind::Chat.into(),
        capabilities: vec!["go".into()],
        session_id: session.clone(),
        ..Default::default()
    };
    let window = service.registry.register_worker(window).await.unwrap();
    let window = window.into_inner().worker.unwrap();
    assert_eq!(send(&service, &request).await, 1);
    assert_eq!(count(&service, &agent.worker_id).await, 1);
    assert_eq!(count(&service, &session).await, 0);
    let to_all = message(Recipient::Capability("go".into()));
    assert_eq!(send(&service, &to_all).await, 1);
    leave(&service, &window).await;
    assert_eq!(send(&service, &to_all).await, 1);
    assert_eq!(count(&service, &session).await, 1);
    let other = SendMessageRequest {
        text: "another".into(),
        ..to_all
    };
    let refused = refusal(service.bus.send_message(other).await);
    assert_eq!(refused, (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
}

#[tokio::test]
async fn a_full_inbox_does_not_keep_a_message_from_the_others() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let (full, other) = (id(), id());
    worker(&service, "rust", &full).await;
    worker(&service, "rust", &other).await;
    fill(&service, &full, 200).await;
    let request = message(Recipient::Capability("rust".into()));
    assert_eq!(send(&service, &request).await, 1);
    assert_eq!(count(&service, &other).await, 1);
    fill(&service, &other, 199).await;
    let request = message(Recipient::Capability("rust".into()));
    let refused = refusal(service.bus.send_message(request).await);
    assert_eq!(refused, (Code::ResourceExhausted, "INBOX_FULL".into()));
}
