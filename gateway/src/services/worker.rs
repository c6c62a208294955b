//! The worker service as the gateway uses it: it gives out tasks and takes the reports on them.

use std::time::Duration;

use shim_proto::worker::v1;
use shim_proto::worker::v1::worker_service_client::WorkerServiceClient;
use shim_runtime::client::Channel;
use tonic::{Request, Response, Status};

use super::peer::{Name, Peer};
use super::{MAX_ANSWER_BYTES, Services};

pub(super) const NAME: Name = Name {
    reason: "WORKER_SERVICE_NOT_CONNECTED",
    title: "worker service",
    endpoint: "endpoints.worker",
};

/// The typed client.
#[derive(Clone)]
pub(super) struct Clients(WorkerServiceClient<Channel>);

impl Clients {
    pub(super) fn on(channel: Channel) -> Self {
        Self(WorkerServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES))
    }
}

impl Services {
    /// Refuses what cannot be had without the services of tasks, before anything is done for it.
    pub(crate) fn need_work(&self) -> Result<(), Status> {
        self.need_coordination()?;
        self.work().map(|_| ())
    }

    fn work(&self) -> Result<&Peer<Clients>, Status> {
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
        self.ask_worker(wait.unwrap_or_default(), request, rpc)
            .await
    }

    /// A report in the background: one attempt.
    pub(crate) async fn report_aside(
        &self,
        request: v1::ReportProgressRequest,
    ) -> Result<v1::ReportProgressResponse, Status> {
        let rpc =
            |mut client: Clients, request| async move { client.0.report_progress(request).await };
        self.work()?.aside(&NAME, request, rpc).await
    }

    async fn ask_worker<Q, A, F>(
        &self,
        wait: Duration,
        message: Q,
        rpc: impl Fn(Clients, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.work()?.ask(self, &NAME, wait, message, rpc).await
    }
}

/// One method for each report.
macro_rules! reports {
    ($($rpc:ident($request:ident) -> $answer:ident;)*) => {
        impl Services {$(
            pub(crate) async fn $rpc(&self, request: v1::$request) -> Result<v1::$answer, Status> {
                let rpc = |mut client: Clients, request| async move { client.0.$rpc(request).await };
                self.ask_worker(Duration::ZERO, request, rpc).await
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
