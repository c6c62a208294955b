//! GenerateTests: makes tests for exported functions and keeps those that hold.

use std::path::Path;

use shim_proto::evolution::v1::generate_tests_response::Event;
use shim_proto::evolution::v1::{GenerateTestsRequest, GenerateTestsResponse};
use shim_proto::limits::evolution::{DEFAULT_FUNCTIONS, MAX_FUNCTIONS};
use shim_runtime::rpc::ResponseStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::runs::{self, Mutation};
use super::streamed::{Streamed, progress_to};
use crate::engine::{Engine, seed};
use crate::error::EvolutionError;
use crate::metrics::Timed;
use crate::test_generator::Options;

pub(super) async fn handle(
    api: &Api,
    request: GenerateTestsRequest,
) -> Result<ResponseStream<GenerateTestsResponse>, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let path = fields.path("path", &request.path);
    fields.include(&request.include);
    let functions = fields.count(
        "max_functions",
        request.max_functions,
        DEFAULT_FUNCTIONS,
        MAX_FUNCTIONS,
    );
    fields.finish()?;

    let mutation = Mutation::new("GenerateTests", &request.request_id, &request);
    let options = Options {
        include: request.include,
        max_functions: functions as usize,
        seed: seed(request.seed),
        run_limit: api.config.test_timeout,
    };
    let engine = api.engine.clone();
    let work =
        |events, cancel| async move { generate(&engine, &path, &options, events, cancel).await };
    let calls = api.calls();
    let answered = runs::answer(&calls, &api.generating, mutation, work);
    Ok(answered.await?)
}

async fn generate(
    engine: &Engine,
    path: &Path,
    options: &Options,
    events: mpsc::Sender<GenerateTestsResponse>,
    cancel: CancellationToken,
) -> Result<(), EvolutionError> {
    let timed = Timed::begin("generate_tests");
    let (told, progress) = (events.downgrade(), progress_to(&events));
    let on_function = move |function| {
        if let Some(events) = told.upgrade() {
            let _ = events.try_send(GenerateTestsResponse::of(Event::Function(function)));
        }
    };
    let done = engine
        .generate_tests(path, options, &progress, &on_function, &cancel)
        .await;
    timed.end(done.is_ok());
    let report = done.map_err(|error| engine.explained(error))?;
    // A reader that has gone is seen by the run.
    let report = GenerateTestsResponse::of(Event::Report(report));
    let _ = events.send(report).await;
    Ok(())
}
