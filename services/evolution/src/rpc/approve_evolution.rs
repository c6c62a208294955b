//! ApproveEvolution: applies an evolution, or turns it down.

use shim_proto::evolution::v1::approve_evolution_response::Event;
use shim_proto::evolution::v1::{
    ApproveEvolutionRequest, ApproveEvolutionResponse, Check, Evolution,
};
use shim_proto::limits::{MAX_LIST, MAX_PATH_BYTES};
use shim_runtime::rpc::ResponseStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::runs::{self, Mutation};
use super::streamed::{Streamed, progress_to};
use crate::engine::{Decision, Engine};
use crate::error::EvolutionError;
use crate::evolver::Watch;
use crate::metrics::Timed;

pub(super) async fn handle(
    api: &Api,
    request: ApproveEvolutionRequest,
) -> Result<ResponseStream<ApproveEvolutionResponse>, Status> {
    check(&request)?;

    let mutation = Mutation::new("ApproveEvolution", &request.request_id, &request);
    let engine = api.engine.clone();
    let calls = api.calls();
    let answered = runs::answer(
        &calls,
        &api.approving,
        mutation,
        |events, cancel| async move {
            let timed = Timed::begin("approve");
            let done = decide(&engine, request, &events, &cancel).await;
            timed.end(done.is_ok());
            let evolution = done.map_err(|error| engine.explained(error))?;
            // A reader that has gone is seen by the run.
            let end = ApproveEvolutionResponse::of(Event::Evolution(evolution));
            let _ = events.send(end).await;
            Ok(())
        },
    );
    Ok(answered.await?)
}

/// Checks every field of a request.
fn check(request: &ApproveEvolutionRequest) -> Result<(), Status> {
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
    fields.finish()
}

async fn decide(
    engine: &Engine,
    request: ApproveEvolutionRequest,
    events: &mpsc::Sender<ApproveEvolutionResponse>,
    cancel: &CancellationToken,
) -> Result<Evolution, EvolutionError> {
    let (told, progress) = (events.downgrade(), progress_to(events));
    let on_check = move |check: &Check| {
        if let Some(events) = told.upgrade() {
            let _ = events.try_send(ApproveEvolutionResponse::of(Event::Check(check.clone())));
        }
    };
    let decision = Decision {
        evolution_id: request.evolution_id,
        approve: request.approve,
        reason: request.reason,
        paths: request.paths,
        request_id: request.request_id,
    };
    let watch = Watch {
        progress: &progress,
        on_check: &on_check,
        cancel,
    };
    engine.decide(decision, watch).await
}
