//! The wire: one file for each RPC. A handler decodes the fields, calls pool, distributor or store, and encodes the answer.

mod api;
mod claim_task;
mod complete_task;
mod drain_worker;
mod fail_task;
mod fields;
mod get_worker_health;
mod release_task;
mod report_progress;
mod start_worker;
mod stop_worker;

use shim_proto::worker::v1::worker_service_server::WorkerService;
use shim_proto::worker::v1::*;
use shim_runtime::unary;

pub(crate) use api::Api;

#[tonic::async_trait]
impl WorkerService for Api {
    unary! {
        start_worker: StartWorkerRequest => StartWorkerResponse,
        drain_worker: DrainWorkerRequest => DrainWorkerResponse,
        stop_worker: StopWorkerRequest => StopWorkerResponse,
        get_worker_health: GetWorkerHealthRequest => GetWorkerHealthResponse,
        claim_task: ClaimTaskRequest => ClaimTaskResponse,
        report_progress: ReportProgressRequest => ReportProgressResponse,
        complete_task: CompleteTaskRequest => CompleteTaskResponse,
        fail_task: FailTaskRequest => FailTaskResponse,
        release_task: ReleaseTaskRequest => ReleaseTaskResponse,
    }
}
