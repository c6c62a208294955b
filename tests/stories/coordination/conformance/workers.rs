//! The part of the story that workers play: they register, send heartbeats, leave and die.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_proto::coordination::v1::watch_workers_response::Event as RegistryEvent;
use shim_proto::coordination::v1::{
    DeregisterWorkerRequest, GetWorkerRequest, ListWorkersRequest, SendMessageRequest,
    WatchWorkersRequest, WatchWorkersResponse, Worker, WorkerChangeKind, WorkerState,
};
use shim_tests::calls::request_id;
use shim_tests::coordination::{CoordinationClients, inbox, message, reason};
use tonic::Streaming;

use super::stream::next;

/// Reads the watch until it sends this change of `worker`.
async fn wait_for_change(
    worker_events: &mut Streaming<WatchWorkersResponse>,
    worker: &Worker,
    kind: WorkerChangeKind,
) -> Worker {
    loop {
        if let Some(RegistryEvent::Changed(change)) = next(worker_events).await.event
            && change.kind() == kind
            && let Some(changed_worker) = change
                .worker
                .filter(|changed_worker| changed_worker.worker_id == worker.worker_id)
        {
            return changed_worker;
        }
    }
}

pub(super) async fn workers(clients: &mut CoordinationClients) {
    let mut worker_events = clients
        .registry
        .watch_workers(WatchWorkersRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(matches!(
        next(&mut worker_events).await.event,
        Some(RegistryEvent::Synced(_))
    ));
    let leaving = clients.register("leaving", "paint").await.unwrap();
    let silent = clients.register("silent", "paint").await.unwrap();
    for worker in [&leaving, &silent] {
        wait_for_change(&mut worker_events, worker, WorkerChangeKind::Registered).await;
        clients.heartbeat(worker).await.unwrap();
    }
    let last_beat = Instant::now();
    let list = ListWorkersRequest {
        capability: "paint".into(),
        ..Default::default()
    };
    let listed = clients
        .registry
        .list_workers(list)
        .await
        .unwrap()
        .into_inner()
        .workers;
    assert_eq!(listed.len(), 2);
    let to_all = SendMessageRequest {
        recipient: Some(Recipient::Capability("paint".into())),
        ..message("", "to all painters")
    };
    assert_eq!(clients.send(to_all).await.unwrap(), 2);
    let taken = clients.receive(inbox(&leaving.worker_id)).await.unwrap();
    assert_eq!(taken.len(), 1);

    let leave = DeregisterWorkerRequest {
        request_id: request_id(),
        worker_id: leaving.worker_id.clone(),
        epoch: leaving.epoch,
        reason: "done".into(),
    };
    clients.registry.deregister_worker(leave).await.unwrap();
    wait_for_change(&mut worker_events, &leaving, WorkerChangeKind::Deregistered).await;
    let dead = wait_for_change(&mut worker_events, &silent, WorkerChangeKind::Died).await;
    assert_eq!(dead.state(), WorkerState::Dead);
    assert!(
        last_beat.elapsed() >= Duration::from_millis(4_900),
        "no sooner than it is due"
    );
    let refusal = clients.heartbeat(&silent).await.expect_err("it is dead");
    assert_eq!(reason(&refusal), "STALE_WORKER");
    let get = GetWorkerRequest {
        worker_id: silent.worker_id.clone(),
    };
    let seen = clients
        .registry
        .get_worker(get)
        .await
        .unwrap()
        .into_inner()
        .worker;
    assert_eq!(seen.unwrap().state(), WorkerState::Dead);
}
