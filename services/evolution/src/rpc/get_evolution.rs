//! GetEvolution: one evolution with its diffs.

use shim_proto::evolution::v1::{GetEvolutionRequest, GetEvolutionResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: GetEvolutionRequest,
) -> Result<GetEvolutionResponse, Status> {
    let mut fields = Fields::default();
    fields.evolution_id(&request.evolution_id);
    fields.finish()?;

    let found = api.store.evolution(&request.evolution_id).await?;
    Ok(GetEvolutionResponse {
        evolution: Some(found.evolution),
    })
}
