//! EvolveCode: prepares changes and touches nothing.

use std::path::{Path, PathBuf};

use serde_json::Value;
use shim_proto::evolution::v1::evolve_code_response::Event;
use shim_proto::evolution::v1::{EvolveCodeRequest, EvolveCodeResponse};
use shim_proto::limits::evolution::{DEFAULT_PROPOSALS, MAX_OPTIONS_BYTES, MAX_PROPOSALS};
use shim_runtime::free_form;
use shim_runtime::rpc::ResponseStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::runs::{self, Mutation};
use super::streamed::{Streamed, progress_to};
use crate::engine::Engine;
use crate::error::EvolutionError;
use crate::evolver::{CustomTransform, EvolveOptions};
use crate::metrics::Timed;

pub(super) async fn handle(
    api: &Api,
    request: EvolveCodeRequest,
) -> Result<ResponseStream<EvolveCodeResponse>, Status> {
    let (path, options) = read(&request)?;
    let mutation = Mutation::new("EvolveCode", &request.request_id, &request);
    let engine = api.engine.clone();
    let calls = api.calls();
    let answered = runs::answer(
        &calls,
        &api.evolving,
        mutation,
        |events, cancel| async move {
            let timed = Timed::begin("evolve");
            let done = propose(&engine, &path, &options, &events, &cancel).await;
            timed.end(done.is_ok());
            done.map_err(|error| engine.explained(error))
        },
    );
    Ok(answered.await?)
}

/// Reads what is asked for out of a request, whose every field is checked.
fn read(request: &EvolveCodeRequest) -> Result<(PathBuf, EvolveOptions), Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let path = fields.path("path", &request.path);
    fields.include(&request.include);
    fields.transforms(&request.transforms);
    let custom = fields.optional_path("custom_transform", &request.custom_transform);
    if let Some(options) = &request.custom_options {
        fields.free_form("custom_options", options, MAX_OPTIONS_BYTES);
        if request.custom_transform.is_empty() {
            fields.refuse(
                "custom_options",
                "is for a custom_transform, which is missing",
            );
        }
    }
    let limit = fields.count("limit", request.limit, DEFAULT_PROPOSALS, MAX_PROPOSALS);
    fields.finish()?;

    let options = request.custom_options.as_ref().map(free_form::to_json);
    let options = EvolveOptions {
        include: request.include.clone(),
        transforms: request.transforms.clone(),
        custom: custom.map(|path| CustomTransform {
            path,
            options: Value::Object(options.unwrap_or_default()),
        }),
        limit: limit as usize,
        only_new: false,
    };
    Ok((path, options))
}

async fn propose(
    engine: &Engine,
    path: &Path,
    options: &EvolveOptions,
    events: &mpsc::Sender<EvolveCodeResponse>,
    cancel: &CancellationToken,
) -> Result<(), EvolutionError> {
    let progress = progress_to(events);
    let proposals = Box::pin(engine.propose(path, options, &progress, cancel)).await?;
    let evolutions = proposals.evolutions.into_iter().map(Event::Evolution);
    for event in evolutions.chain([Event::Summary(proposals.summary)]) {
        // A reader that has gone is seen by the run.
        let _ = events.send(EvolveCodeResponse::of(event)).await;
    }
    Ok(())
}
