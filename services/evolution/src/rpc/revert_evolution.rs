//! RevertEvolution: takes a committed evolution back.

use shim_proto::evolution::v1::{RevertEvolutionRequest, RevertEvolutionResponse};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::metrics::Timed;

pub(super) async fn handle(
    api: &Api,
    request: RevertEvolutionRequest,
) -> Result<RevertEvolutionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    fields.evolution_id(&request.evolution_id);
    fields.reason(&request.reason);
    fields.finish()?;

    let cancel = CancellationToken::new();
    // A client that goes away drops this, and with it the work.
    let _cancel_on_drop = cancel.clone().drop_guard();
    let timed = Timed::begin("revert");
    let (id, request_id) = (&request.evolution_id, &request.request_id);
    let reverted = api
        .engine
        .revert(id, request_id, &request.reason, &cancel)
        .await;
    timed.end(reverted.is_ok());
    Ok(RevertEvolutionResponse {
        evolution: Some(reverted?),
    })
}
