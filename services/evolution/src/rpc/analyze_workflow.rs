//! AnalyzeWorkflow: progress, a first picture, findings if asked for, and the report.

use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_proto::evolution::v1::{AnalyzeWorkflowRequest, AnalyzeWorkflowResponse};
use shim_proto::limits::evolution::{DEFAULT_ITEMS, MAX_ITEMS};
use shim_runtime::rpc::ResponseStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::streamed::{Streamed, bounded};
use crate::analyzer::AnalysisOptions;
use crate::error::EvolutionError;
use crate::metrics::Timed;

/// Messages that wait for a slow reader.
const WAITING: usize = 16;

pub(super) async fn handle(
    api: &Api,
    request: AnalyzeWorkflowRequest,
) -> Result<ResponseStream<AnalyzeWorkflowResponse>, Status> {
    let mut fields = Fields::default();
    let path = fields.path("path", &request.path);
    fields.include(&request.include);
    let limit = fields.count("limit", request.limit, DEFAULT_ITEMS, MAX_ITEMS);
    fields.finish()?;

    let options = AnalysisOptions {
        include: request.include,
        with_findings: request.with_findings,
        first_picture_only: request.first_picture_only,
        limit: limit as usize,
    };
    let with_work_history = request.with_work_history;
    let (sender, stream) = mpsc::channel(WAITING);
    let (api, stream_end) = (api.clone(), sender.clone());
    let tasks = api.tasks.clone();
    tasks.spawn_stream("analyze_workflow", stream_end, async move {
        let timed = Timed::begin("analyze");
        let cancel = CancellationToken::new();
        let (messages, mut told) = mpsc::channel(WAITING);
        let (events, mut said) = mpsc::channel::<Event>(WAITING);
        let working = async {
            let engine = &api.engine;
            let work = engine.analyze(&path, options, with_work_history, events, &cancel);
            let report = bounded(&api, &messages, &cancel, work).await?;
            let _ = messages
                .send(AnalyzeWorkflowResponse::of(Event::Report(report)))
                .await;
            drop(messages);
            Ok::<_, EvolutionError>(())
        };
        // Both end with what they read from: the events with the analysis, the messages with all of it.
        let forwarding = async {
            loop {
                let message = tokio::select! {
                    Some(event) = said.recv() => AnalyzeWorkflowResponse::of(event),
                    Some(message) = told.recv() => message,
                    else => return,
                };
                if sender.send(Ok(message)).await.is_err() {
                    cancel.cancel();
                }
            }
        };
        let leaving = async {
            sender.closed().await;
            cancel.cancel();
            std::future::pending::<()>().await;
        };
        let (done, ()) = tokio::select! {
            ended = async { tokio::join!(working, forwarding) } => ended,
            () = leaving => return,
        };
        timed.end(done.is_ok());
        if let Err(error) = done {
            let _ = sender.send(Err(api.engine.explained(error).into())).await;
        }
    });
    Ok(ResponseStream::new(stream))
}
