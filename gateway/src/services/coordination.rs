//! The coordination service as the gateway uses it: messages, workers, file leases and tasks.

use std::time::Duration;

use shim_proto::coordination::v1;
use shim_proto::coordination::v1::bus_service_client::BusServiceClient;
use shim_proto::coordination::v1::lock_service_client::LockServiceClient;
use shim_proto::coordination::v1::registry_service_client::RegistryServiceClient;
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_runtime::client::Channel;
use tonic::{Request, Response, Status, Streaming};

use super::peer::{Name, Peer};
use super::{MAX_ANSWER_BYTES, Services};

pub(super) const NAME: Name = Name {
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
    pub(super) fn on(channel: Channel) -> Self {
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
    pub(crate) fn coordinates(&self) -> bool {
        self.coordination.is_some()
    }

    /// Refuses what cannot be had without a coordination service, before anything is done for it.
    pub(crate) fn need_coordination(&self) -> Result<(), Status> {
        self.coordination().map(|_| ())
    }

    fn coordination(&self) -> Result<&Peer<Clients>, Status> {
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
        let manner = coordination.manner(Duration::ZERO);
        let opened = self.call(manner, request, watch).await;
        opened.map_err(|status| NAME.explained(status))
    }

    async fn ask<Q, A, F>(
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
            .ask(self, &NAME, Duration::ZERO, message, rpc)
            .await
    }

    async fn aside<Q, A, F>(
        &self,
        message: Q,
        rpc: impl FnOnce(Clients, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.coordination()?.aside(&NAME, message, rpc).await
    }
}

/// One method for each RPC, `ask` for those a tool is about and `aside` for the others.
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
    ask send_message = bus.send_message(SendMessageRequest) -> SendMessageResponse;
    ask register_worker = registry.register_worker(RegisterWorkerRequest) -> RegisterWorkerResponse;
    ask list_workers = registry.list_workers(ListWorkersRequest) -> ListWorkersResponse;
    ask submit_task = tasks.submit_task(SubmitTaskRequest) -> SubmitTaskResponse;
    ask get_task = tasks.get_task(GetTaskRequest) -> GetTaskResponse;
    ask list_tasks = tasks.list_tasks(ListTasksRequest) -> ListTasksResponse;
    ask cancel_task = tasks.cancel_task(CancelTaskRequest) -> CancelTaskResponse;
    ask retry_task = tasks.retry_task(RetryTaskRequest) -> RetryTaskResponse;
    ask approve_task = tasks.approve_task(ApproveTaskRequest) -> ApproveTaskResponse;
    ask aggregate_results = tasks.aggregate_results(AggregateResultsRequest) -> AggregateResultsResponse;
    ask queue_health = tasks.queue_health(QueueHealthRequest) -> QueueHealthResponse;
    aside receive_messages = bus.receive_messages(ReceiveMessagesRequest) -> ReceiveMessagesResponse;
    aside list_files = locks.list_files(ListFilesRequest) -> ListFilesResponse;
    aside heartbeat = registry.heartbeat(HeartbeatRequest) -> HeartbeatResponse;
    aside register_worker_again = registry.register_worker(RegisterWorkerRequest) -> RegisterWorkerResponse;
    aside deregister_worker = registry.deregister_worker(DeregisterWorkerRequest) -> DeregisterWorkerResponse;
    aside look_at_workers = registry.list_workers(ListWorkersRequest) -> ListWorkersResponse;
    aside look_at_task = tasks.get_task(GetTaskRequest) -> GetTaskResponse;
    aside look_at_tasks = tasks.list_tasks(ListTasksRequest) -> ListTasksResponse;
}
