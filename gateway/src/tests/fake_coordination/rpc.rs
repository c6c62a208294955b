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

use super::store::{FaultMode, Store, fault};

/// Short, so that stories see many.
const HEARTBEAT: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(super) struct CoordinationRpc {
    pub(super) store: Arc<Mutex<Store>>,
    pub(super) changes: watch::Sender<u64>,
}

pub(super) type RpcResult<A> = Result<Response<A>, Status>;
pub(super) type RpcStream<A> = Pin<Box<dyn Stream<Item = Result<A, Status>> + Send>>;

impl CoordinationRpc {
    /// Answers as the mood is; the calls that came are counted all the same.
    pub(super) async fn answer<A>(
        &self,
        on_arrival: impl FnOnce(&mut Store),
        act: impl FnOnce(&mut Store) -> Result<A, Status>,
    ) -> RpcResult<A> {
        on_arrival(&mut self.store.lock().unwrap());
        self.changes.send_modify(|change| *change += 1);
        let mut changes = self.changes.subscribe();
        while self.store.lock().unwrap().fault_mode == FaultMode::Stuck {
            changes.changed().await.unwrap();
        }
        let mut store = self.store.lock().unwrap();
        let answer = match store.fault_mode {
            FaultMode::StoreUnavailable => Err(fault(
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

pub(super) fn no_arrival(_: &mut Store) {}

pub(super) fn unused() -> Status {
    Status::internal("the gateway never calls it")
}

#[tonic::async_trait]
impl BusService for CoordinationRpc {
    type SubscribeStream = RpcStream<SubscribeResponse>;

    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> RpcResult<SendMessageResponse> {
        self.answer(no_arrival, |store| {
            let recipients = store.send(request.get_ref())?;
            Ok(SendMessageResponse { recipients })
        })
        .await
    }

    async fn receive_messages(
        &self,
        request: Request<ReceiveMessagesRequest>,
    ) -> RpcResult<ReceiveMessagesResponse> {
        self.answer(
            |store| store.fetches += 1,
            |store| Ok(store.receive(request.get_ref())),
        )
        .await
    }

    async fn ack_messages(&self, _: Request<AckMessagesRequest>) -> RpcResult<AckMessagesResponse> {
        Err(unused())
    }
    async fn publish(&self, _: Request<PublishRequest>) -> RpcResult<PublishResponse> {
        Err(unused())
    }
    async fn subscribe(&self, _: Request<SubscribeRequest>) -> RpcResult<Self::SubscribeStream> {
        Err(unused())
    }
}

#[tonic::async_trait]
impl RegistryService for CoordinationRpc {
    type WatchWorkersStream = RpcStream<WatchWorkersResponse>;

    async fn register_worker(
        &self,
        request: Request<RegisterWorkerRequest>,
    ) -> RpcResult<RegisterWorkerResponse> {
        self.answer(no_arrival, |store| {
            Ok(RegisterWorkerResponse {
                worker: Some(store.register(request.into_inner())),
                heartbeat_interval: Some(HEARTBEAT.try_into().unwrap()),
                dead_after: None,
            })
        })
        .await
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> RpcResult<HeartbeatResponse> {
        let request = request.into_inner();
        self.answer(no_arrival, |store| {
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
    ) -> RpcResult<DeregisterWorkerResponse> {
        let request = request.into_inner();
        self.answer(no_arrival, |store| {
            store.check_epoch(&request.worker_id, request.epoch)?;
            store.deregister_reasons.push(request.reason);
            let worker = store.workers.remove(&request.worker_id);
            Ok(DeregisterWorkerResponse { worker })
        })
        .await
    }

    async fn list_workers(
        &self,
        request: Request<ListWorkersRequest>,
    ) -> RpcResult<ListWorkersResponse> {
        let most = usize::try_from(request.get_ref().page_size).unwrap();
        self.answer(no_arrival, |store| {
            let workers: Vec<_> = store.workers.values().take(most).cloned().collect();
            let is_last = workers.len() == store.workers.len();
            Ok(ListWorkersResponse {
                workers,
                next_page_token: if is_last { "" } else { "more" }.into(),
            })
        })
        .await
    }

    async fn get_worker(&self, _: Request<GetWorkerRequest>) -> RpcResult<GetWorkerResponse> {
        Err(unused())
    }
    async fn watch_workers(
        &self,
        _: Request<WatchWorkersRequest>,
    ) -> RpcResult<Self::WatchWorkersStream> {
        Err(unused())
    }
}

#[tonic::async_trait]
impl LockService for CoordinationRpc {
    async fn list_files(&self, request: Request<ListFilesRequest>) -> RpcResult<ListFilesResponse> {
        let request = request.into_inner();
        self.answer(no_arrival, |store| {
            store.workspaces_asked.push(request.workspace.clone());
            let leases = store.leases.iter();
            let held = leases.filter(|lease| lease.holder == request.holder);
            Ok(ListFilesResponse {
                leases: held.cloned().collect(),
            })
        })
        .await
    }

    async fn acquire_lock(&self, _: Request<AcquireLockRequest>) -> RpcResult<AcquireLockResponse> {
        Err(unused())
    }
    async fn renew_lock(&self, _: Request<RenewLockRequest>) -> RpcResult<RenewLockResponse> {
        Err(unused())
    }
    async fn release_lock(&self, _: Request<ReleaseLockRequest>) -> RpcResult<ReleaseLockResponse> {
        Err(unused())
    }
    async fn get_lock(&self, _: Request<GetLockRequest>) -> RpcResult<GetLockResponse> {
        Err(unused())
    }
    async fn list_locks(&self, _: Request<ListLocksRequest>) -> RpcResult<ListLocksResponse> {
        Err(unused())
    }
    async fn acquire_files(
        &self,
        _: Request<AcquireFilesRequest>,
    ) -> RpcResult<AcquireFilesResponse> {
        Err(unused())
    }
    async fn renew_files(&self, _: Request<RenewFilesRequest>) -> RpcResult<RenewFilesResponse> {
        Err(unused())
    }
    async fn release_files(
        &self,
        _: Request<ReleaseFilesRequest>,
    ) -> RpcResult<ReleaseFilesResponse> {
        Err(unused())
    }
}
