//! The worker service as the gateway uses it: it gives out tasks and takes the reports on them.

use std::time::Duration;

use shim_proto::worker::v1;
use shim_proto::worker::v1::worker_service_client::WorkerServiceClient;
use shim_runtime::client::Channel;
use tonic::{Request, Response, Status};

use super::upstream::{Upstream, UpstreamName};
use super::{MAX_ANSWER_BYTES, Services};

pub(super) const NAME: UpstreamName = UpstreamName {
    reason: "WORKER_SERVICE_NOT_CONNECTED",
    title: "worker service",
    endpoint: "endpoints.worker",
};

/// The typed client.
#[derive(Clone)]
pub(super) struct Clients(WorkerServiceClient<Channel>);

impl Clients {
    pub(super) fn new(channel: Channel) -> Self {
        Self(WorkerServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES))
    }
}

impl Services {
    /// Refuses what cannot be had without the services of tasks, before anything is done for it.
    pub(crate) fn require_worker_service(&self) -> Result<(), Status> {
        self.require_coordination()?;
        self.worker_service().map(|_| ())
    }

    fn worker_service(&self) -> Result<&Upstream<Clients>, Status> {
        self.worker.as_ref().ok_or_else(|| NAME.missing())
    }

    /// Waits for a task as long as the request says. Sent again, it is the same to the letter: only so is it known to
    /// be the same claim.
    pub(crate) async fn claim_task(
        &self,
        request: v1::ClaimTaskRequest,
    ) -> Result<v1::ClaimTaskResponse, Status> {
        let wait = request.wait.and_then(|wait| Duration::try_from(wait).ok());
        let rpc = |mut client: Clients, request| async move { client.0.claim_task(request).await };
        self.call_worker(wait.unwrap_or_default(), request, rpc)
            .await
    }

    /// A report in the background: one attempt.
    pub(crate) async fn try_report_progress(
        &self,
        request: v1::ReportProgressRequest,
    ) -> Result<v1::ReportProgressResponse, Status> {
        let rpc =
            |mut client: Clients, request| async move { client.0.report_progress(request).await };
        self.worker_service()?
            .best_effort(&NAME, request, rpc)
            .await
    }

    async fn call_worker<Q, A, F>(
        &self,
        wait: Duration,
        message: Q,
        rpc: impl Fn(Clients, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.worker_service()?
            .call(self, &NAME, wait, message, rpc)
            .await
    }
}

/// One method for each report.
macro_rules! reports {
    ($($rpc:ident($request:ident) -> $answer:ident;)*) => {
        impl Services {$(
            pub(crate) async fn $rpc(&self, request: v1::$request) -> Result<v1::$answer, Status> {
                let rpc = |mut client: Clients, request| async move { client.0.$rpc(request).await };
                self.call_worker(Duration::ZERO, request, rpc).await
            }
        )*}
    };
}

reports! {
    report_progress(ReportProgressRequest) -> ReportProgressResponse;
    complete_task(CompleteTaskRequest) -> CompleteTaskResponse;
    fail_task(FailTaskRequest) -> FailTaskResponse;
    release_task(ReleaseTaskRequest) -> ReleaseTaskResponse;
}
