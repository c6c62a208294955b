//! GenerateTests: makes tests for exported functions and keeps those that hold.

use shim_proto::evolution::v1::{GenerateTestsRequest, GenerateTestsResponse};
use shim_proto::limits::evolution::{DEFAULT_FUNCTIONS, MAX_FUNCTIONS};
use shim_runtime::rpc::ResponseStream;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::runs::{self, Mutation};
use crate::error::EvolutionError;

pub(super) async fn handle(
    api: &Api,
    request: GenerateTestsRequest,
) -> Result<ResponseStream<GenerateTestsResponse>, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let _path = fields.path("path", &request.path);
    fields.include(&request.include);
    let _functions = fields.count(
        "max_functions",
        request.max_functions,
        DEFAULT_FUNCTIONS,
        MAX_FUNCTIONS,
    );
    fields.finish()?;

    let mutation = Mutation::new("GenerateTests", &request.request_id, &request);
    let answered = runs::answer(api, &api.generating, mutation, |_events, _cancel| async {
        Err(EvolutionError::NotBuilt("generate tests"))
    });
    Ok(answered.await?)
}
