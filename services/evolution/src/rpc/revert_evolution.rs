//! RevertEvolution: takes a committed evolution back.

use shim_proto::evolution::v1::{RevertEvolutionRequest, RevertEvolutionResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::error::EvolutionError;

pub(super) async fn handle(
    api: &Api,
    request: RevertEvolutionRequest,
) -> Result<RevertEvolutionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    fields.evolution_id(&request.evolution_id);
    fields.reason(&request.reason);
    fields.finish()?;

    api.store.evolution(&request.evolution_id).await?;
    Err(EvolutionError::NotBuilt("take evolutions back").into())
}
