//! ApproveEvolution: applies an evolution, or turns it down.

use shim_proto::evolution::v1::{ApproveEvolutionRequest, ApproveEvolutionResponse};
use shim_proto::limits::{MAX_LIST, MAX_PATH_BYTES};
use shim_runtime::rpc::ResponseStream;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::runs::{self, Mutation};
use crate::error::EvolutionError;

pub(super) async fn handle(
    api: &Api,
    request: ApproveEvolutionRequest,
) -> Result<ResponseStream<ApproveEvolutionResponse>, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    fields.evolution_id(&request.evolution_id);
    fields.reason(&request.reason);
    if fields.list("paths", request.paths.len(), MAX_LIST) {
        for (i, path) in request.paths.iter().enumerate() {
            fields.required_line(format_args!("paths[{i}]"), path, MAX_PATH_BYTES);
        }
    }
    if !request.approve && !request.paths.is_empty() {
        fields.refuse(
            "paths",
            "is for an approval; a rejection is for the whole evolution",
        );
    }
    fields.finish()?;

    let mutation = Mutation::new("ApproveEvolution", &request.request_id, &request);
    let answered = runs::answer(api, &api.approving, mutation, |_events, _cancel| async {
        Err(EvolutionError::NotBuilt("apply evolutions"))
    });
    Ok(answered.await?)
}
