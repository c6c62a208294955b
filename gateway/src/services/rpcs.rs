//! Every RPC the gateway calls, one line each: its upstream, its policy, its method.

use std::time::Duration;

use shim_proto::checkpoint::v1 as checkpoint;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::signal_service_client::SignalServiceClient;
use shim_proto::coordination::v1 as coordination;
use shim_proto::coordination::v1::bus_service_client::BusServiceClient;
use shim_proto::coordination::v1::lock_service_client::LockServiceClient;
use shim_proto::coordination::v1::registry_service_client::RegistryServiceClient;
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_proto::worker::v1 as worker;
use shim_proto::worker::v1::worker_service_client::WorkerServiceClient;
use shim_render::time;
use shim_runtime::client::Channel;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::connections::Services;
use super::upstream::CallPolicy;

/// The longest answer: the contract's limit of a message, for an answer with a whole checkpoint.
const MAX_ANSWER_BYTES: usize = shim_proto::limits::MAX_MESSAGE_BYTES;

/// A fresh idempotency key.
pub(crate) fn request_id() -> String {
    Uuid::now_v7().to_string()
}

/// The upstream of a row; `[?]` stands after one that may be missing.
macro_rules! upstream {
    ($services:expr, $upstream:ident, []) => {
        $services.$upstream()
    };
    ($services:expr, $upstream:ident, [?]) => {
        $services.$upstream()?
    };
}

/// One method of [`Services`] for each RPC.
macro_rules! rpcs {
    ($package:ident, $upstream:ident $presence:tt, $client:ident:
        $($policy:ident $method:ident = $rpc:ident($request:ident) -> $answer:ident;)*
    ) => {
        impl Services {$(
            pub(crate) async fn $method(
                &self,
                request: $package::$request,
            ) -> Result<$package::$answer, Status> {
                let rpc = |channel, request| async move {
                    let client = $client::new(channel);
                    client.max_decoding_message_size(MAX_ANSWER_BYTES).$rpc(request).await
                };
                let upstream = upstream!(self, $upstream, $presence);
                upstream.call(CallPolicy::$policy, request, rpc).await
            }
        )*}
    };
}

rpcs! {
    checkpoint, checkpoint [], CheckpointServiceClient:
    CHECKPOINT open_session = open_session(OpenSessionRequest) -> OpenSessionResponse;
    CHECKPOINT get_session = get_session(GetSessionRequest) -> GetSessionResponse;
    CHECKPOINT list_sessions = list_sessions(ListSessionsRequest) -> ListSessionsResponse;
    CHECKPOINT save_checkpoint = save_checkpoint(SaveCheckpointRequest) -> SaveCheckpointResponse;
    CHECKPOINT get_checkpoint = get_checkpoint(GetCheckpointRequest) -> GetCheckpointResponse;
    CHECKPOINT list_checkpoints = list_checkpoints(ListCheckpointsRequest) -> ListCheckpointsResponse;
    CHECKPOINT search_checkpoints = search_checkpoints(SearchCheckpointsRequest) -> SearchCheckpointsResponse;
    CHECKPOINT detect_recovery = detect_recovery(DetectRecoveryRequest) -> DetectRecoveryResponse;
    CHECKPOINT restore_checkpoint = restore_checkpoint(RestoreCheckpointRequest) -> RestoreCheckpointResponse;
    CHECKPOINT dismiss_recovery = dismiss_recovery(DismissRecoveryRequest) -> DismissRecoveryResponse;
}

rpcs! {
    checkpoint, checkpoint [], SignalServiceClient:
    CHECKPOINT record_signals = record_signals(RecordSignalsRequest) -> RecordSignalsResponse;
    CHECKPOINT assess_risk = assess_risk(AssessRiskRequest) -> AssessRiskResponse;
}

rpcs! {
    coordination, coordination [?], BusServiceClient:
    TOOL send_message = send_message(SendMessageRequest) -> SendMessageResponse;
    BEST_EFFORT receive_messages = receive_messages(ReceiveMessagesRequest) -> ReceiveMessagesResponse;
}

rpcs! {
    coordination, coordination [?], LockServiceClient:
    BEST_EFFORT list_files = list_files(ListFilesRequest) -> ListFilesResponse;
}

rpcs! {
    coordination, coordination [?], RegistryServiceClient:
    TOOL register_worker = register_worker(RegisterWorkerRequest) -> RegisterWorkerResponse;
    TOOL list_workers = list_workers(ListWorkersRequest) -> ListWorkersResponse;
    BEST_EFFORT heartbeat = heartbeat(HeartbeatRequest) -> HeartbeatResponse;
    BEST_EFFORT try_register_worker = register_worker(RegisterWorkerRequest) -> RegisterWorkerResponse;
    BEST_EFFORT deregister_worker = deregister_worker(DeregisterWorkerRequest) -> DeregisterWorkerResponse;
    BEST_EFFORT try_list_workers = list_workers(ListWorkersRequest) -> ListWorkersResponse;
}

rpcs! {
    coordination, coordination [?], TaskServiceClient:
    TOOL submit_task = submit_task(SubmitTaskRequest) -> SubmitTaskResponse;
    TOOL get_task = get_task(GetTaskRequest) -> GetTaskResponse;
    TOOL list_tasks = list_tasks(ListTasksRequest) -> ListTasksResponse;
    TOOL cancel_task = cancel_task(CancelTaskRequest) -> CancelTaskResponse;
    TOOL retry_task = retry_task(RetryTaskRequest) -> RetryTaskResponse;
    TOOL approve_task = approve_task(ApproveTaskRequest) -> ApproveTaskResponse;
    TOOL aggregate_results = aggregate_results(AggregateResultsRequest) -> AggregateResultsResponse;
    TOOL queue_health = queue_health(QueueHealthRequest) -> QueueHealthResponse;
    BEST_EFFORT try_get_task = get_task(GetTaskRequest) -> GetTaskResponse;
    BEST_EFFORT try_list_tasks = list_tasks(ListTasksRequest) -> ListTasksResponse;
}

rpcs! {
    worker, worker [?], WorkerServiceClient:
    TOOL report_progress = report_progress(ReportProgressRequest) -> ReportProgressResponse;
    TOOL complete_task = complete_task(CompleteTaskRequest) -> CompleteTaskResponse;
    TOOL fail_task = fail_task(FailTaskRequest) -> FailTaskResponse;
    TOOL release_task = release_task(ReleaseTaskRequest) -> ReleaseTaskResponse;
    BEST_EFFORT try_report_progress = report_progress(ReportProgressRequest) -> ReportProgressResponse;
}

impl Services {
    /// The checkpoint service as it is, for streams; starts nothing.
    pub(crate) fn checkpoint_client(&self) -> CheckpointServiceClient<Channel> {
        let client = CheckpointServiceClient::new(self.checkpoint().channel.clone());
        client.max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// The log of a job. Only opening it has a limit; the reader decides how long it listens.
    pub(crate) async fn watch_task(
        &self,
        request: coordination::WatchTaskRequest,
    ) -> Result<Streaming<coordination::WatchTaskResponse>, Status> {
        let watch = |channel, request: Request<coordination::WatchTaskRequest>| async move {
            let client = TaskServiceClient::new(channel);
            let mut client = client.max_decoding_message_size(MAX_ANSWER_BYTES);
            // The limit of an attempt travels with the request, and would end the stream.
            let events = client.watch_task(request.into_inner()).await?;
            Ok(Response::new(events.into_inner()))
        };
        let coordination = self.coordination()?;
        coordination.call(CallPolicy::TOOL, request, watch).await
    }

    /// Waits for a task as long as the request says. A retry is the same request to the letter: only so the service
    /// knows it for the same claim.
    pub(crate) async fn claim_task(
        &self,
        request: worker::ClaimTaskRequest,
    ) -> Result<worker::ClaimTaskResponse, Status> {
        let wait = time::duration(request.wait).unwrap_or(Duration::ZERO);
        let policy = CallPolicy::TOOL.with_wait(wait);
        let claim = |channel, request| async move {
            let client = WorkerServiceClient::new(channel);
            let mut client = client.max_decoding_message_size(MAX_ANSWER_BYTES);
            client.claim_task(request).await
        };
        self.worker()?.call(policy, request, claim).await
    }
}
