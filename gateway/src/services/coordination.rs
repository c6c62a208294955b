//! The coordination service as the gateway uses it: messages, workers, file leases and tasks.

use std::time::Duration;

use shim_proto::coordination::v1;
use shim_proto::coordination::v1::bus_service_client::BusServiceClient;
use shim_proto::coordination::v1::lock_service_client::LockServiceClient;
use shim_proto::coordination::v1::registry_service_client::RegistryServiceClient;
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_runtime::client::Channel;
use tonic::{Request, Response, Status, Streaming};

use super::upstream::{Upstream, UpstreamName};
use super::{MAX_ANSWER_BYTES, Services};

pub(super) const NAME: UpstreamName = UpstreamName {
    reason: "COORDINATION_NOT_CONNECTED",
    title: "coordination service",
    endpoint: "endpoints.coordination",
};

/// The typed clients, all on one connection.
#[derive(Clone)]
pub(super) struct Clients {
    locks: LockServiceClient<Channel>,
    bus: BusServiceClient<Channel>,
    registry: RegistryServiceClient<Channel>,
    tasks: TaskServiceClient<Channel>,
}

impl Clients {
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            locks: LockServiceClient::new(channel.clone()),
            bus: BusServiceClient::new(channel.clone()),
            registry: RegistryServiceClient::new(channel.clone()),
            tasks: TaskServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES),
        }
    }
}

impl Services {
    /// Whether there is a coordination service to ask; it may be away.
    pub(crate) fn has_coordination(&self) -> bool {
        self.coordination.is_some()
    }

    /// Refuses what cannot be had without a coordination service, before anything is done for it.
    pub(crate) fn require_coordination(&self) -> Result<(), Status> {
        self.coordination().map(|_| ())
    }

    fn coordination(&self) -> Result<&Upstream<Clients>, Status> {
        self.coordination.as_ref().ok_or_else(|| NAME.missing())
    }

    /// The log of a job. Only opening it has a limit; the reader decides how long it listens.
    pub(crate) async fn watch_task(
        &self,
        request: v1::WatchTaskRequest,
    ) -> Result<Streaming<v1::WatchTaskResponse>, Status> {
        let coordination = self.coordination()?;
        let watch = |request: Request<v1::WatchTaskRequest>| {
            let mut clients = coordination.clients.clone();
            // The limit of an attempt travels with the request, and would end the stream.
            async move {
                let watching = clients.tasks.watch_task(request.into_inner()).await?;
                Ok(Response::new(watching.into_inner()))
            }
        };
        let policy = coordination.policy(Duration::ZERO);
        let opened = self.call_with_policy(policy, request, watch).await;
        opened.map_err(|status| NAME.map_status(status))
    }

    async fn call<Q, A, F>(
        &self,
        message: Q,
        rpc: impl Fn(Clients, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let coordination = self.coordination()?;
        coordination
            .call(self, &NAME, Duration::ZERO, message, rpc)
            .await
    }

    async fn best_effort<Q, A, F>(
        &self,
        message: Q,
        rpc: impl FnOnce(Clients, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.coordination()?.best_effort(&NAME, message, rpc).await
    }
}

/// One method for each RPC, `call` for those a tool is about and `best_effort` for the others.
macro_rules! rpcs {
    ($($how:ident $method:ident = $client:ident.$rpc:ident($request:ident) -> $answer:ident;)*) => {
        impl Services {$(
            pub(crate) async fn $method(&self, request: v1::$request) -> Result<v1::$answer, Status> {
                self.$how(request, |mut clients, request| async move { clients.$client.$rpc(request).await }).await
            }
        )*}
    };
}

rpcs! {
    call send_message = bus.send_message(SendMessageRequest) -> SendMessageResponse;
    call register_worker = registry.register_worker(RegisterWorkerRequest) -> RegisterWorkerResponse;
    call list_workers = registry.list_workers(ListWorkersRequest) -> ListWorkersResponse;
    call submit_task = tasks.submit_task(SubmitTaskRequest) -> SubmitTaskResponse;
    call get_task = tasks.get_task(GetTaskRequest) -> GetTaskResponse;
    call list_tasks = tasks.list_tasks(ListTasksRequest) -> ListTasksResponse;
    call cancel_task = tasks.cancel_task(CancelTaskRequest) -> CancelTaskResponse;
    call retry_task = tasks.retry_task(RetryTaskRequest) -> RetryTaskResponse;
    call approve_task = tasks.approve_task(ApproveTaskRequest) -> ApproveTaskResponse;
    call aggregate_results = tasks.aggregate_results(AggregateResultsRequest) -> AggregateResultsResponse;
    call queue_health = tasks.queue_health(QueueHealthRequest) -> QueueHealthResponse;
    best_effort receive_messages = bus.receive_messages(ReceiveMessagesRequest) -> ReceiveMessagesResponse;
    best_effort list_files = locks.list_files(ListFilesRequest) -> ListFilesResponse;
    best_effort heartbeat = registry.heartbeat(HeartbeatRequest) -> HeartbeatResponse;
    best_effort try_register_worker = registry.register_worker(RegisterWorkerRequest) -> RegisterWorkerResponse;
    best_effort deregister_worker = registry.deregister_worker(DeregisterWorkerRequest) -> DeregisterWorkerResponse;
    best_effort try_list_workers = registry.list_workers(ListWorkersRequest) -> ListWorkersResponse;
    best_effort try_get_task = tasks.get_task(GetTaskRequest) -> GetTaskResponse;
    best_effort try_list_tasks = tasks.list_tasks(ListTasksRequest) -> ListTasksResponse;
}
