//! EvolveCode: prepares changes and touches nothing.

use shim_proto::evolution::v1::{EvolveCodeRequest, EvolveCodeResponse};
use shim_proto::limits::evolution::{DEFAULT_PROPOSALS, MAX_OPTIONS_BYTES, MAX_PROPOSALS};
use shim_runtime::rpc::ResponseStream;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::runs::{self, Mutation};
use crate::error::EvolutionError;

pub(super) async fn handle(
    api: &Api,
    request: EvolveCodeRequest,
) -> Result<ResponseStream<EvolveCodeResponse>, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let _path = fields.path("path", &request.path);
    fields.include(&request.include);
    fields.transforms(&request.transforms);
    let _custom = fields.optional_path("custom_transform", &request.custom_transform);
    if let Some(options) = &request.custom_options {
        fields.free_form("custom_options", options, MAX_OPTIONS_BYTES);
        if request.custom_transform.is_empty() {
            fields.refuse(
                "custom_options",
                "is for a custom_transform, which is missing",
            );
        }
    }
    let _limit = fields.count("limit", request.limit, DEFAULT_PROPOSALS, MAX_PROPOSALS);
    fields.finish()?;

    let mutation = Mutation::new("EvolveCode", &request.request_id, &request);
    let answered = runs::answer(api, &api.evolving, mutation, |_events, _cancel| async {
        Err(EvolutionError::NotBuilt("evolve code"))
    });
    Ok(answered.await?)
}
