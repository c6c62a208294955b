//! RevertEvolution: takes a committed evolution back.

use shim_proto::evolution::v1::{Evolution, RevertEvolutionRequest, RevertEvolutionResponse};
use shim_runtime::trace;
use shim_sqlite::idempotency::IdempotencyKey;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::error::EvolutionError;
use crate::metrics::Timed;
use crate::spans::continued;

pub(super) async fn handle(
    api: &Api,
    request: RevertEvolutionRequest,
) -> Result<RevertEvolutionResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    fields.evolution_id(&request.evolution_id);
    fields.reason(&request.reason);
    fields.finish()?;

    let key = IdempotencyKey::new("RevertEvolution", &request.request_id, &request);
    let _at_work = api.reverting.begin(&request)?;
    let recorded = api.store.recorded_stream(&key).await?;
    if let Some(answer) = recorded.and_then(|messages: Vec<_>| messages.into_iter().next()) {
        return Ok(answer);
    }
    let answer = RevertEvolutionResponse {
        evolution: Some(revert(api, request).await?),
    };
    let answers = [answer];
    api.store.record_stream(key, &answers).await?;
    let [answer] = answers;
    Ok(answer)
}

async fn revert(api: &Api, request: RevertEvolutionRequest) -> Result<Evolution, EvolutionError> {
    let cancel = CancellationToken::new();
    // A client that goes away drops this, which asks the work to end: it does so at a moment when nothing is half done.
    let _cancel_on_drop = cancel.clone().drop_guard();
    let (sender, receiver) = oneshot::channel();
    let engine = api.engine.clone();
    let working = async move {
        let timed = Timed::begin("revert");
        let (id, request_id) = (&request.evolution_id, &request.request_id);
        let reverted = engine
            .revert(id, request_id, &request.reason, &cancel)
            .await;
        timed.end(reverted.is_ok());
        let _ = sender.send(reverted);
    };
    let working = continued(trace::current(), working);
    api.tasks.spawn_contained("evolution_revert", working);
    receiver.await.map_err(|_| EvolutionError::Stopping)?
}
