//! The wire: one file for each RPC. A handler checks the fields, calls one intent of the store, and encodes
//! the answer.

mod api;
mod assess_risk;
mod attach_session;
mod delete_session;
mod detect_recovery;
mod diff_checkpoints;
mod dismiss_recovery;
mod end_session;
mod export;
mod fields;
mod fork_session;
mod get_checkpoint;
mod get_guidance;
mod get_observation;
mod get_session;
mod guidance_facts;
mod import;
mod list_checkpoints;
mod list_sessions;
mod list_signal_history;
mod observed_fields;
mod open_session;
mod prune;
mod record_resume;
mod record_signals;
mod report_events;
mod restore_checkpoint;
mod save_checkpoint;
mod search_checkpoints;
mod usage_signals;

use shim_proto::checkpoint::v1::checkpoint_service_server::CheckpointService;
use shim_proto::checkpoint::v1::observation_service_server::ObservationService;
use shim_proto::checkpoint::v1::signal_service_server::SignalService;
use shim_proto::checkpoint::v1::*;
use shim_runtime::unary;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

pub(crate) use api::Api;
pub(crate) use observed_fields::checked as checked_event;

#[tonic::async_trait]
impl CheckpointService for Api {
    unary! {
        open_session: OpenSessionRequest => OpenSessionResponse,
        end_session: EndSessionRequest => EndSessionResponse,
        get_session: GetSessionRequest => GetSessionResponse,
        list_sessions: ListSessionsRequest => ListSessionsResponse,
        delete_session: DeleteSessionRequest => DeleteSessionResponse,
        save_checkpoint: SaveCheckpointRequest => SaveCheckpointResponse,
        get_checkpoint: GetCheckpointRequest => GetCheckpointResponse,
        list_checkpoints: ListCheckpointsRequest => ListCheckpointsResponse,
        diff_checkpoints: DiffCheckpointsRequest => DiffCheckpointsResponse,
        fork_session: ForkSessionRequest => ForkSessionResponse,
        search_checkpoints: SearchCheckpointsRequest => SearchCheckpointsResponse,
        detect_recovery: DetectRecoveryRequest => DetectRecoveryResponse,
        restore_checkpoint: RestoreCheckpointRequest => RestoreCheckpointResponse,
        dismiss_recovery: DismissRecoveryRequest => DismissRecoveryResponse,
        record_resume: RecordResumeRequest => RecordResumeResponse,
        prune: PruneRequest => PruneResponse,
    }

    type AttachSessionStream = ReceiverStream<Result<AttachSessionResponse, Status>>;

    async fn attach_session(
        &self,
        request: Request<Streaming<AttachSessionRequest>>,
    ) -> Result<Response<Self::AttachSessionStream>, Status> {
        attach_session::handle(self, request.into_inner())
            .await
            .map(Response::new)
    }

    type ExportStream = ReceiverStream<Result<ExportResponse, Status>>;

    async fn export(
        &self,
        request: Request<ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        export::handle(self, request.get_ref()).map(Response::new)
    }

    async fn import(
        &self,
        request: Request<Streaming<ImportRequest>>,
    ) -> Result<Response<ImportResponse>, Status> {
        import::handle(self, request.into_inner())
            .await
            .map(Response::new)
    }
}

#[tonic::async_trait]
impl SignalService for Api {
    unary! {
        record_signals: RecordSignalsRequest => RecordSignalsResponse,
        assess_risk: AssessRiskRequest => AssessRiskResponse,
        list_signal_history: ListSignalHistoryRequest => ListSignalHistoryResponse,
    }
}

#[tonic::async_trait]
impl ObservationService for Api {
    unary! {
        report_events: ReportEventsRequest => ReportEventsResponse,
        get_guidance: GetGuidanceRequest => GetGuidanceResponse,
        get_observation: GetObservationRequest => GetObservationResponse,
    }
}
