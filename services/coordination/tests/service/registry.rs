//! Stories of workers that register, report their state, and leave.

use std::collections::BTreeSet;

use futures::future::join_all;
use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::{Code, Status};

use super::test_service::{TestService, id, refusal};

pub(crate) fn registration() -> RegisterWorkerRequest {
    RegisterWorkerRequest {
        request_id: id(),
        kind: WorkerKind::Agent.into(),
        ..Default::default()
    }
}

pub(crate) async fn register(service: &TestService, request: RegisterWorkerRequest) -> Worker {
    let answer = service.registry.clone().register_worker(request).await;
    answer.unwrap().into_inner().worker.unwrap()
}

pub(crate) async fn heartbeat(
    service: &TestService,
    worker: &Worker,
) -> Result<HeartbeatResponse, Status> {
    heartbeat_as(service, worker, HeartbeatRequest::default()).await
}

pub(crate) async fn heartbeat_as(
    service: &TestService,
    worker: &Worker,
    heartbeat: HeartbeatRequest,
) -> Result<HeartbeatResponse, Status> {
    let heartbeat = HeartbeatRequest {
        worker_id: worker.worker_id.clone(),
        epoch: worker.epoch,
        ..heartbeat
    };
    let answer = service.registry.clone().heartbeat(heartbeat).await?;
    Ok(answer.into_inner())
}

pub(crate) fn leaving(worker: &Worker) -> DeregisterWorkerRequest {
    DeregisterWorkerRequest {
        request_id: id(),
        worker_id: worker.worker_id.clone(),
        epoch: worker.epoch,
        reason: "done for today".into(),
    }
}

pub(crate) async fn get(service: &TestService, worker: &Worker) -> Result<Worker, Status> {
    let request = GetWorkerRequest {
        worker_id: worker.worker_id.clone(),
    };
    let answer = service.registry.clone().get_worker(request).await?;
    Ok(answer.into_inner().worker.unwrap())
}

/// The workers of all pages of a list.
pub(crate) async fn list(service: &TestService, request: ListWorkersRequest) -> Vec<Worker> {
    let mut workers = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListWorkersRequest {
            page_token,
            ..request.clone()
        };
        let page = service
            .registry
            .clone()
            .list_workers(request)
            .await
            .unwrap();
        let page = page.into_inner();
        workers.extend(page.workers);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return workers;
        }
    }
}

pub(super) fn ids(workers: &[Worker]) -> Vec<&str> {
    workers
        .iter()
        .map(|worker| worker.worker_id.as_str())
        .collect()
}

#[tokio::test]
async fn a_worker_is_listed_with_everything_it_registered() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let session_id = id();
    let request = RegisterWorkerRequest {
        name: "Ada's window".into(),
        kind: WorkerKind::Chat.into(),
        capabilities: vec!["rust".into(), "lang:c++".replace('+', "p"), "rust".into()],
        node: "desk".into(),
        version: "1.2.3".into(),
        session_id: session_id.clone(),
        ..registration()
    };
    let answer = service
        .registry
        .clone()
        .register_worker(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.heartbeat_interval.unwrap().nanos, 500_000_000);
    assert_eq!(answer.dead_after.unwrap().seconds, 5);
    let worker = answer.worker.unwrap();
    assert_eq!(get(&service, &worker).await.unwrap(), worker);
    assert_eq!(worker.capabilities, ["lang:cpp", "rust"]);
    assert_eq!((worker.capacity, worker.running), (1, 0));
    assert_eq!(
        (worker.state(), worker.health()),
        (WorkerState::Idle, WorkerHealth::Healthy)
    );
    assert_eq!(
        (worker.name.as_str(), worker.session_id),
        ("Ada's window", session_id)
    );
    let (since, due) = (worker.registered_at.unwrap(), worker.due_at.unwrap());
    assert_eq!(due.seconds - since.seconds, 5);
}

#[tokio::test]
async fn a_heartbeat_reports_state_and_health_and_moves_the_due_time() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let request = RegisterWorkerRequest {
        capacity: 2,
        ..registration()
    };
    let worker = register(&service, request).await;
    for (running, reported, seen) in [
        (1, WorkerState::Unspecified, WorkerState::Idle),
        (2, WorkerState::Unspecified, WorkerState::Busy),
        (2, WorkerState::Draining, WorkerState::Draining),
        (0, WorkerState::Starting, WorkerState::Starting),
    ] {
        let request = HeartbeatRequest {
            running,
            state: reported.into(),
            health: WorkerHealth::Degraded.into(),
            detail: "low on memory".into(),
            ..Default::default()
        };
        let answer = heartbeat_as(&service, &worker, request).await.unwrap();
        let now = get(&service, &worker).await.unwrap();
        assert_eq!((now.running, now.state()), (running, seen));
        assert_eq!(
            (now.health(), now.detail.as_str()),
            (WorkerHealth::Degraded, "low on memory")
        );
        assert_eq!(now.due_at, answer.due_at);
    }
    let later = get(&service, &worker).await.unwrap();
    let millis = |at: Option<prost_types::Timestamp>| {
        let at = at.unwrap();
        at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000
    };
    assert!(millis(later.due_at) > millis(worker.due_at));
    assert_eq!(
        millis(later.due_at) - millis(later.last_heartbeat_at),
        5_000
    );
    assert_eq!(later.registered_at, worker.registered_at);
}

#[tokio::test]
async fn registering_again_starts_a_new_epoch_and_refuses_the_older_one() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let able = |capability: &str, worker_id: &str| RegisterWorkerRequest {
        worker_id: worker_id.into(),
        capabilities: vec![capability.into()],
        ..registration()
    };
    let older = register(&service, able("rust", "")).await;
    let newer = register(&service, able("lua", &older.worker_id.to_uppercase())).await;
    assert_eq!(newer.worker_id, older.worker_id);
    assert!(newer.epoch > older.epoch);

    let stale = (Code::FailedPrecondition, "STALE_WORKER".to_owned());
    assert_eq!(refusal(heartbeat(&service, &older).await), stale);
    let left = service
        .registry
        .clone()
        .deregister_worker(leaving(&older))
        .await;
    assert_eq!(refusal(left), stale);
    heartbeat(&service, &newer).await.unwrap();
    for (capability, count) in [("rust", 0), ("lua", 1)] {
        let request = ListWorkersRequest {
            capability: capability.into(),
            ..Default::default()
        };
        assert_eq!(list(&service, request).await.len(), count, "{capability}");
    }
}

#[tokio::test]
async fn of_racing_incarnations_only_the_last_one_lives() {
    let redis = Redis::start();
    let (here, there) = (
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    );
    let worker_id = id();
    let register = |i: usize| {
        let service = if i.is_multiple_of(2) { &here } else { &there };
        let request = RegisterWorkerRequest {
            worker_id: worker_id.clone(),
            capabilities: vec![format!("c{i}"), "any".into()],
            ..registration()
        };
        register(service, request)
    };
    let workers = join_all((0..32).map(register)).await;
    let epochs: BTreeSet<_> = workers.iter().map(|worker| worker.epoch).collect();
    assert_eq!(epochs.len(), 32);
    let last = *epochs.last().unwrap();
    for worker in &workers {
        assert_eq!(
            heartbeat(&there, worker).await.is_ok(),
            worker.epoch == last
        );
    }
    let all = list(&here, ListWorkersRequest::default()).await;
    assert_eq!((all.len(), all[0].epoch), (1, last));
    let lists = redis
        .command(&["EVAL", "return #redis.call('KEYS', '*capability*')", "0"])
        .unwrap();
    assert_eq!(
        lists.integer(),
        Some(2),
        "the lists of older capabilities are gone"
    );
}

#[tokio::test]
async fn a_repeated_registration_makes_one_worker() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let request = registration();
    let first = register(&service, request.clone()).await;
    let again = register(&service, request.clone()).await;
    assert_eq!(first, again);
    assert_eq!(list(&service, ListWorkersRequest::default()).await.len(), 1);
    let reused = RegisterWorkerRequest {
        name: "another".into(),
        ..request
    };
    let refused = refusal(service.registry.clone().register_worker(reused).await);
    assert_eq!(refused, (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
}

#[tokio::test]
async fn a_worker_that_left_is_remembered_and_may_come_back() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = register(&service, registration()).await;
    let mut registry = service.registry.clone();
    let request = leaving(&worker);
    let left = registry
        .deregister_worker(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = registry
        .deregister_worker(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(left, again);
    let left = left.worker.unwrap();
    assert_eq!(
        (left.state(), left.detail.as_str()),
        (WorkerState::Stopped, "done for today")
    );
    assert_eq!(get(&service, &worker).await.unwrap(), left);

    let refused = heartbeat(&service, &worker).await.unwrap_err();
    assert!(refused.message().contains("deregistered"), "{refused}");
    assert_eq!(
        refusal::<()>(Err(refused)),
        (Code::FailedPrecondition, "STALE_WORKER".into())
    );
    assert!(
        list(&service, ListWorkersRequest::default())
            .await
            .is_empty()
    );
    for request in [
        ListWorkersRequest {
            include_gone: true,
            ..Default::default()
        },
        ListWorkersRequest {
            state: WorkerState::Stopped.into(),
            ..Default::default()
        },
    ] {
        assert_eq!(list(&service, request).await, std::slice::from_ref(&left));
    }

    let back = RegisterWorkerRequest {
        worker_id: worker.worker_id.clone(),
        ..registration()
    };
    let back = register(&service, back).await;
    assert_eq!(list(&service, ListWorkersRequest::default()).await, [back]);
}
