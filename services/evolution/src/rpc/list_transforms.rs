//! ListTransforms: the transforms that EvolveCode knows.

use shim_proto::evolution::v1::{ListTransformsRequest, ListTransformsResponse};
use tonic::Status;

use super::api::Api;
use crate::error::EvolutionError;

pub(super) async fn handle(
    _api: &Api,
    _request: ListTransformsRequest,
) -> Result<ListTransformsResponse, Status> {
    Err(EvolutionError::NotBuilt("list transforms").into())
}
