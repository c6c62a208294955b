//! AnalyzeWorkflow: progress, a first picture, findings if asked for, and the report.

use shim_proto::evolution::v1::{AnalyzeWorkflowRequest, AnalyzeWorkflowResponse};
use shim_proto::limits::evolution::{DEFAULT_ITEMS, MAX_ITEMS};
use shim_runtime::rpc::ResponseStream;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::error::EvolutionError;

pub(super) async fn handle(
    _api: &Api,
    request: AnalyzeWorkflowRequest,
) -> Result<ResponseStream<AnalyzeWorkflowResponse>, Status> {
    let mut fields = Fields::default();
    let _path = fields.path("path", &request.path);
    fields.include(&request.include);
    let _limit = fields.count("limit", request.limit, DEFAULT_ITEMS, MAX_ITEMS);
    fields.finish()?;

    Err(EvolutionError::NotBuilt("analyze projects").into())
}
