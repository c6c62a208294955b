//! The gRPC handlers, one file for each RPC. A handler checks and decodes the fields, calls the domain and the store, and
//! encodes the response.

mod ack_messages;
mod acquire_files;
mod acquire_lock;
mod aggregate_results;
mod api;
mod approve_task;
mod cancel_task;
mod delete_state;
mod deregister_worker;
mod fields;
mod get_lock;
mod get_state;
mod get_task;
mod get_worker;
mod heartbeat;
mod list_files;
mod list_locks;
mod list_state;
mod list_tasks;
mod list_workers;
mod patch_state;
mod patterns;
mod pause_queues;
mod prune_tasks;
mod publish;
mod put_state;
mod queue_health;
mod queue_names;
mod receive_messages;
mod register_worker;
mod release_files;
mod release_lock;
mod renew_files;
mod renew_lock;
mod resume_queues;
mod retry_task;
mod schedule_fields;
mod send_message;
mod stream;
mod submit_task;
mod subscribe;
mod task_fields;
mod watch;
mod watch_state;
mod watch_task;
mod watch_workers;
mod worker_fields;

use shim_proto::coordination::v1::bus_service_server::BusService;
use shim_proto::coordination::v1::lock_service_server::LockService;
use shim_proto::coordination::v1::registry_service_server::RegistryService;
use shim_proto::coordination::v1::state_service_server::StateService;
use shim_proto::coordination::v1::task_service_server::TaskService;
use shim_proto::coordination::v1::*;
use shim_runtime::rpc::ResponseStream;
use shim_runtime::unary;
use tonic::{Request, Response, Status};

pub(crate) use api::Api;

#[tonic::async_trait]
impl StateService for Api {
    unary! {
        get_state: GetStateRequest => GetStateResponse,
        put_state: PutStateRequest => PutStateResponse,
        patch_state: PatchStateRequest => PatchStateResponse,
        delete_state: DeleteStateRequest => DeleteStateResponse,
        list_state: ListStateRequest => ListStateResponse,
    }

    type WatchStateStream = ResponseStream<WatchStateResponse>;

    async fn watch_state(
        &self,
        request: Request<WatchStateRequest>,
    ) -> Result<Response<Self::WatchStateStream>, Status> {
        watch_state::handle(self, request.into_inner())
            .await
            .map(Response::new)
    }
}

#[tonic::async_trait]
impl LockService for Api {
    unary! {
        acquire_lock: AcquireLockRequest => AcquireLockResponse,
        renew_lock: RenewLockRequest => RenewLockResponse,
        release_lock: ReleaseLockRequest => ReleaseLockResponse,
        get_lock: GetLockRequest => GetLockResponse,
        list_locks: ListLocksRequest => ListLocksResponse,
        acquire_files: AcquireFilesRequest => AcquireFilesResponse,
        renew_files: RenewFilesRequest => RenewFilesResponse,
        release_files: ReleaseFilesRequest => ReleaseFilesResponse,
        list_files: ListFilesRequest => ListFilesResponse,
    }
}

#[tonic::async_trait]
impl BusService for Api {
    unary! {
        publish: PublishRequest => PublishResponse,
        send_message: SendMessageRequest => SendMessageResponse,
        receive_messages: ReceiveMessagesRequest => ReceiveMessagesResponse,
        ack_messages: AckMessagesRequest => AckMessagesResponse,
    }

    type SubscribeStream = ResponseStream<SubscribeResponse>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        subscribe::handle(self, request.into_inner())
            .await
            .map(Response::new)
    }
}

#[tonic::async_trait]
impl RegistryService for Api {
    unary! {
        register_worker: RegisterWorkerRequest => RegisterWorkerResponse,
        heartbeat: HeartbeatRequest => HeartbeatResponse,
        deregister_worker: DeregisterWorkerRequest => DeregisterWorkerResponse,
        get_worker: GetWorkerRequest => GetWorkerResponse,
        list_workers: ListWorkersRequest => ListWorkersResponse,
    }

    type WatchWorkersStream = ResponseStream<WatchWorkersResponse>;

    async fn watch_workers(
        &self,
        request: Request<WatchWorkersRequest>,
    ) -> Result<Response<Self::WatchWorkersStream>, Status> {
        watch_workers::handle(self, request.into_inner())
            .await
            .map(Response::new)
    }
}

#[tonic::async_trait]
impl TaskService for Api {
    unary! {
        submit_task: SubmitTaskRequest => SubmitTaskResponse,
        get_task: GetTaskRequest => GetTaskResponse,
        list_tasks: ListTasksRequest => ListTasksResponse,
        cancel_task: CancelTaskRequest => CancelTaskResponse,
        retry_task: RetryTaskRequest => RetryTaskResponse,
        approve_task: ApproveTaskRequest => ApproveTaskResponse,
        aggregate_results: AggregateResultsRequest => AggregateResultsResponse,
        queue_health: QueueHealthRequest => QueueHealthResponse,
        pause_queues: PauseQueuesRequest => PauseQueuesResponse,
        prune_tasks: PruneTasksRequest => PruneTasksResponse,
        resume_queues: ResumeQueuesRequest => ResumeQueuesResponse,
    }

    type WatchTaskStream = ResponseStream<WatchTaskResponse>;

    async fn watch_task(
        &self,
        request: Request<WatchTaskRequest>,
    ) -> Result<Response<Self::WatchTaskStream>, Status> {
        watch_task::handle(self, request.into_inner())
            .await
            .map(Response::new)
    }
}
