//! ListTransforms: the transforms that EvolveCode knows.

use shim_proto::evolution::v1::{ListTransformsRequest, ListTransformsResponse};
use tonic::Status;

use super::api::Api;
use crate::evolver::Evolver;

pub(super) async fn handle(
    _api: &Api,
    _request: ListTransformsRequest,
) -> Result<ListTransformsResponse, Status> {
    let mut transforms = Evolver::transforms();
    transforms.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(ListTransformsResponse { transforms })
}
