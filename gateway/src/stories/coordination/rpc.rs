//! The calls of the contract, as far as the gateway makes them.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shim_proto::coordination::v1::bus_service_server::BusService;
use shim_proto::coordination::v1::lock_service_server::LockService;
use shim_proto::coordination::v1::registry_service_server::RegistryService;
use shim_proto::coordination::v1::*;
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status};

use super::store::{Mood, Store, fault};

/// Short, so that stories see many.
const HEARTBEAT: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(super) struct Service {
    pub(super) store: Arc<Mutex<Store>>,
    pub(super) changes: watch::Sender<u64>,
}

pub(super) type Answer<A> = Result<Response<A>, Status>;
pub(super) type Told<A> = Pin<Box<dyn Stream<Item = Result<A, Status>> + Send>>;

impl Service {
    /// Answers as the mood is; the calls that came are counted all the same.
    pub(super) async fn answer<A>(
        &self,
        came: impl FnOnce(&mut Store),
        act: impl FnOnce(&mut Store) -> Result<A, Status>,
    ) -> Answer<A> {
        came(&mut self.store.lock().unwrap());
        self.changes.send_modify(|change| *change += 1);
        let mut changes = self.changes.subscribe();
        while self.store.lock().unwrap().mood == Mood::Stuck {
            changes.changed().await.unwrap();
        }
        let mut store = self.store.lock().unwrap();
        let answer = match store.mood {
            Mood::StoreAway => Err(fault(
                Code::Unavailable,
                "STORE_UNAVAILABLE",
                "run `shim doctor`",
            )),
            _ => act(&mut store),
        };
        drop(store);
        self.changes.send_modify(|change| *change += 1);
        answer.map(Response::new)
    }
}

pub(super) fn quietly(_: &mut Store) {}

pub(super) fn unused() -> Status {
    Status::internal("the gateway never calls it")
}

#[tonic::async_trait]
impl BusService for Service {
    type SubscribeStream = Told<SubscribeResponse>;

    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Answer<SendMessageResponse> {
        self.answer(quietly, |store| {
            let recipients = store.send(request.get_ref())?;
            Ok(SendMessageResponse { recipients })
        })
        .await
    }

    async fn receive_messages(
        &self,
        request: Request<ReceiveMessagesRequest>,
    ) -> Answer<ReceiveMessagesResponse> {
        self.answer(
            |store| store.fetches += 1,
            |store| Ok(store.receive(request.get_ref())),
        )
        .await
    }

    async fn ack_messages(&self, _: Request<AckMessagesRequest>) -> Answer<AckMessagesResponse> {
        Err(unused())
    }
    async fn publish(&self, _: Request<PublishRequest>) -> Answer<PublishResponse> {
        Err(unused())
    }
    async fn subscribe(&self, _: Request<SubscribeRequest>) -> Answer<Self::SubscribeStream> {
        Err(unused())
    }
}

#[tonic::async_trait]
impl RegistryService for Service {
    type WatchWorkersStream = Told<WatchWorkersResponse>;

    async fn register_worker(
        &self,
        request: Request<RegisterWorkerRequest>,
    ) -> Answer<RegisterWorkerResponse> {
        self.answer(quietly, |store| {
            Ok(RegisterWorkerResponse {
                worker: Some(store.register(request.into_inner())),
                heartbeat_interval: Some(HEARTBEAT.try_into().unwrap()),
                dead_after: None,
            })
        })
        .await
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Answer<HeartbeatResponse> {
        let request = request.into_inner();
        self.answer(quietly, |store| {
            store.check_epoch(&request.worker_id, request.epoch)?;
            store.heartbeats += 1;
            let worker = store.workers.get_mut(&request.worker_id);
            worker.unwrap().running = request.running;
            Ok(HeartbeatResponse::default())
        })
        .await
    }

    async fn deregister_worker(
        &self,
        request: Request<DeregisterWorkerRequest>,
    ) -> Answer<DeregisterWorkerResponse> {
        let request = request.into_inner();
        self.answer(quietly, |store| {
            store.check_epoch(&request.worker_id, request.epoch)?;
            store.farewells.push(request.reason);
            let worker = store.workers.remove(&request.worker_id);
            Ok(DeregisterWorkerResponse { worker })
        })
        .await
    }

    async fn list_workers(
        &self,
        request: Request<ListWorkersRequest>,
    ) -> Answer<ListWorkersResponse> {
        let most = usize::try_from(request.get_ref().page_size).unwrap();
        self.answer(quietly, |store| {
            let workers: Vec<_> = store.workers.values().take(most).cloned().collect();
            let is_last = workers.len() == store.workers.len();
            Ok(ListWorkersResponse {
                workers,
                next_page_token: if is_last { "" } else { "more" }.into(),
            })
        })
        .await
    }

    async fn get_worker(&self, _: Request<GetWorkerRequest>) -> Answer<GetWorkerResponse> {
        Err(unused())
    }
    async fn watch_workers(
        &self,
        _: Request<WatchWorkersRequest>,
    ) -> Answer<Self::WatchWorkersStream> {
        Err(unused())
    }
}

#[tonic::async_trait]
impl LockService for Service {
    async fn list_files(&self, request: Request<ListFilesRequest>) -> Answer<ListFilesResponse> {
        let request = request.into_inner();
        self.answer(quietly, |store| {
            store.workspaces_asked.push(request.workspace.clone());
            let leases = store.leases.iter();
            let held = leases.filter(|lease| lease.holder == request.holder);
            Ok(ListFilesResponse {
                leases: held.cloned().collect(),
            })
        })
        .await
    }

    async fn acquire_lock(&self, _: Request<AcquireLockRequest>) -> Answer<AcquireLockResponse> {
        Err(unused())
    }
    async fn renew_lock(&self, _: Request<RenewLockRequest>) -> Answer<RenewLockResponse> {
        Err(unused())
    }
    async fn release_lock(&self, _: Request<ReleaseLockRequest>) -> Answer<ReleaseLockResponse> {
        Err(unused())
    }
    async fn get_lock(&self, _: Request<GetLockRequest>) -> Answer<GetLockResponse> {
        Err(unused())
    }
    async fn list_locks(&self, _: Request<ListLocksRequest>) -> Answer<ListLocksResponse> {
        Err(unused())
    }
    async fn acquire_files(&self, _: Request<AcquireFilesRequest>) -> Answer<AcquireFilesResponse> {
        Err(unused())
    }
    async fn renew_files(&self, _: Request<RenewFilesRequest>) -> Answer<RenewFilesResponse> {
        Err(unused())
    }
    async fn release_files(&self, _: Request<ReleaseFilesRequest>) -> Answer<ReleaseFilesResponse> {
        Err(unused())
    }
}
