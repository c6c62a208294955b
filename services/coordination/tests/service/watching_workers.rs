//! Stories of the watches of workers.

use std::collections::{BTreeMap, BTreeSet};

use shim_proto::coordination::v1::watch_workers_response::Event;
use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::Streaming;

use super::registry::{heartbeat, heartbeat_as, leaving, register, registration};
use super::test_service::{TestService, within};

pub(crate) async fn watch(
    service: &TestService,
    after_position: u64,
) -> Streaming<WatchWorkersResponse> {
    let request = WatchWorkersRequest { after_position };
    let answer = service
        .registry
        .clone()
        .watch_workers(request)
        .await
        .unwrap();
    answer.into_inner()
}

pub(crate) async fn next(stream: &mut Streaming<WatchWorkersResponse>) -> Event {
    let response = within(stream.message()).await.unwrap();
    response.expect("the watch goes on").event.unwrap()
}

async fn next_change(stream: &mut Streaming<WatchWorkersResponse>) -> WorkerChange {
    match next(stream).await {
        Event::Changed(change) => change,
        other => panic!("a change, not {other:?}"),
    }
}

#[tokio::test]
async fn a_watch_sends_the_living_workers_and_then_every_change() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let first = register(&service, registration()).await;
    let mut stream = watch(&service, 0).await;
    assert_eq!(next(&mut stream).await, Event::Worker(first.clone()));
    assert!(matches!(next(&mut stream).await, Event::Synced(_)));

    let second = register(&service, registration()).await;
    let change = next_change(&mut stream).await;
    assert_eq!(change.kind(), WorkerChangeKind::Registered);
    assert_eq!(change.worker, Some(second.clone()));
    // A heartbeat that changes nothing is no event.
    heartbeat(&service, &first).await.unwrap();
    let busy = HeartbeatRequest {
        running: 1,
        ..Default::default()
    };
    heartbeat_as(&service, &second, busy).await.unwrap();
    let change = next_change(&mut stream).await;
    assert_eq!(change.kind(), WorkerChangeKind::Changed);
    let changed = change.worker.unwrap();
    assert_eq!(changed.worker_id, second.worker_id);
    assert_eq!(changed.state(), WorkerState::Busy);
    service
        .registry
        .clone()
        .deregister_worker(leaving(&first))
        .await
        .unwrap();
    let change = next_change(&mut stream).await;
    assert_eq!(change.kind(), WorkerChangeKind::Deregistered);
    assert_eq!(change.worker.unwrap().state(), WorkerState::Stopped);
}

#[tokio::test]
async fn a_watch_misses_nothing_while_workers_come_and_go() {
    const WORKERS: usize = 200;
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let before = register(&service, registration()).await;
    let mut streams = Vec::new();
    for n in 0..WORKERS {
        if n % 40 == 0 {
            streams.push(watch(&service, 0).await);
        }
        let worker = register(&service, registration()).await;
        service
            .registry
            .clone()
            .deregister_worker(leaving(&worker))
            .await
            .unwrap();
    }
    // Every watch must have received the part of the whole history that follows its snapshot.
    let mut history = watch(&service, before.epoch).await;
    let mut left_at = BTreeMap::new();
    while left_at.len() < WORKERS {
        let change = next_change(&mut history).await;
        if change.kind() == WorkerChangeKind::Deregistered {
            let twice = left_at.insert(change.worker.unwrap().worker_id, change.position);
            assert_eq!(twice, None);
        }
    }
    for stream in &mut streams {
        let mut snapshot = BTreeSet::new();
        let position = loop {
            match next(stream).await {
                Event::Worker(worker) => drop(snapshot.insert(worker.worker_id)),
                Event::Synced(synced) => break synced.position,
                other => panic!("the snapshot comes first, not {other:?}"),
            }
        };
        assert!(snapshot.contains(&before.worker_id));
        let mut awaited: BTreeSet<_> = left_at
            .iter()
            .filter(|(_, left_at)| **left_at > position)
            .map(|(worker_id, _)| worker_id.clone())
            .collect();
        while !awaited.is_empty() {
            let change = next_change(stream).await;
            if change.kind() == WorkerChangeKind::Deregistered {
                awaited.remove(&change.worker.unwrap().worker_id);
            }
        }
    }
}
