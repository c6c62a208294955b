//! Stories of lists of workers, and of what the registry refuses.

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::Code;

use super::registry::{get, heartbeat, heartbeat_as, ids, leaving, list, register, registration};
use super::test_service::{TestService, id, refusal};

#[tokio::test]
async fn pages_hold_every_worker_that_fits_once_and_in_order() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut workers = Vec::new();
    for i in 0..45 {
        let request = RegisterWorkerRequest {
            capabilities: vec!["any".into(), format!("every-{}", i % 3)],
            ..registration()
        };
        workers.push(register(&service, request).await);
    }
    for worker in &workers[..10] {
        let busy = HeartbeatRequest {
            running: 1,
            ..Default::default()
        };
        heartbeat_as(&service, worker, busy).await.unwrap();
    }
    workers.sort_by(|a, b| a.worker_id.cmp(&b.worker_id));
    let page_size = 7;
    for (capability, state, count) in [
        ("", WorkerState::Unspecified, 45),
        ("any", WorkerState::Unspecified, 45),
        ("every-0", WorkerState::Unspecified, 15),
        ("every", WorkerState::Unspecified, 0),
        ("", WorkerState::Busy, 10),
        ("every-0", WorkerState::Busy, 4),
        ("every-0", WorkerState::Dead, 0),
    ] {
        for include_gone in [false, true] {
            let request = ListWorkersRequest {
                capability: capability.into(),
                state: state.into(),
                include_gone,
                page_size,
                ..Default::default()
            };
            let listed = list(&service, request).await;
            assert_eq!(listed.len(), count, "{capability} {state:?}");
            assert!(
                ids(&listed).is_sorted_by(|a, b| a < b),
                "{capability} {state:?}"
            );
        }
    }
    let all = list(&service, ListWorkersRequest::default()).await;
    assert_eq!(ids(&all), ids(&workers));
}

#[tokio::test]
async fn an_unknown_worker_is_not_found() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let unknown = Worker {
        worker_id: id(),
        epoch: 7,
        ..Default::default()
    };
    let not_found = (Code::NotFound, "WORKER_NOT_FOUND".to_owned());
    assert_eq!(refusal(get(&service, &unknown).await), not_found);
    assert_eq!(refusal(heartbeat(&service, &unknown).await), not_found);
    let left = service
        .registry
        .clone()
        .deregister_worker(leaving(&unknown))
        .await;
    assert_eq!(refusal(left), not_found);
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let mut registry = service.registry.clone();
    let register = registry.register_worker(RegisterWorkerRequest {
        request_id: String::new(),
        worker_id: "me".into(),
        name: "n".repeat(201),
        kind: 9,
        capabilities: vec!["fine".into(), "two words".into(), String::new()],
        capacity: 1_001,
        node: "n".repeat(256),
        version: "v".repeat(101),
        session_id: "mine".into(),
        processes: Some(WorkerProcesses::default()),
    });
    let register = register.await.unwrap_err();
    let heartbeat = registry.heartbeat(HeartbeatRequest {
        running: 1_001,
        state: WorkerState::Dead.into(),
        health: 9,
        detail: "d".repeat(501),
        ..Default::default()
    });
    let heartbeat = heartbeat.await.unwrap_err();
    let list = registry.list_workers(ListWorkersRequest {
        capability: "two words".into(),
        state: 9,
        page_size: -1,
        page_token: "x".into(),
        ..Default::default()
    });
    let list = list.await.unwrap_err();
    for (refused, fields) in [
        (
            register,
            "request_id worker_id name kind capabilities[1] capabilities[2] capacity node version session_id \
             processes.boot_id processes.namespaces processes.processes",
        ),
        (heartbeat, "worker_id epoch running state health detail"),
        (list, "capability state page_size page_token"),
    ] {
        assert_eq!(refused.code(), Code::InvalidArgument);
        for field in fields.split(' ') {
            assert!(
                refused.message().contains(&format!("{field}:")),
                "{field}: {refused}"
            );
        }
    }
}

#[tokio::test]
async fn a_full_redis_refuses_new_workers_and_keeps_the_old_ones() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = register(&service, registration()).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let store_full = (Code::ResourceExhausted, "STORE_FULL".to_owned());
    let refused = service
        .registry
        .clone()
        .register_worker(registration())
        .await;
    assert_eq!(refusal(refused), store_full);
    let unfit_until = Some(prost_types::Timestamp {
        seconds: 4_000_000_000,
        nanos: 0,
    });
    let sick = HeartbeatRequest {
        health: WorkerHealth::Unhealthy.into(),
        unfit_until,
        ..Default::default()
    };
    heartbeat_as(&service, &worker, sick).await.unwrap();
    let now = get(&service, &worker).await.unwrap();
    assert_eq!(
        (now.health(), now.unfit_until),
        (WorkerHealth::Unhealthy, unfit_until)
    );
    heartbeat(&service, &worker).await.unwrap();
    assert_eq!(get(&service, &worker).await.unwrap().unfit_until, None);
    service
        .registry
        .clone()
        .deregister_worker(leaving(&worker))
        .await
        .unwrap();
}
