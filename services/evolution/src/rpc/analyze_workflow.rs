//! AnalyzeWorkflow: progress, a first picture, findings if asked for, and the report.

use std::path::PathBuf;

use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_proto::evolution::v1::{AnalyzeWorkflowRequest, AnalyzeWorkflowResponse};
use shim_proto::limits::evolution::{DEFAULT_ITEMS, MAX_ITEMS};
use shim_runtime::rpc::ResponseStream;
use shim_runtime::trace;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::streamed::{Calls, Streamed, bounded};
use crate::analyzer::AnalysisOptions;
use crate::error::EvolutionError;
use crate::metrics::Timed;
use crate::spans::continued;

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
        ..AnalysisOptions::default()
    };
    let asked = Asked {
        path,
        options,
        with_work_history: request.with_work_history,
    };
    let (sender, stream) = mpsc::channel(WAITING);
    let calls = api.calls();
    let (stream_end, trace) = (sender.clone(), trace::current());
    let work = async move {
        let timed = Timed::begin("analyze");
        let done = answer(&calls, asked, &sender).await;
        timed.end(done.is_ok());
        if let Err(error) = done {
            let refused = calls.engine.explained(error);
            let _ = sender.send(Err(refused.into())).await;
        }
    };
    api.tasks
        .spawn_stream("analyze_workflow", stream_end, continued(trace, work));
    Ok(ResponseStream::new(stream))
}

/// What to analyze.
struct Asked {
    path: PathBuf,
    options: AnalysisOptions,
    with_work_history: bool,
}

/// Sends everything that the analysis says, and the report. A client that leaves cancels it.
async fn answer(
    calls: &Calls,
    asked: Asked,
    sender: &mpsc::Sender<Result<AnalyzeWorkflowResponse, Status>>,
) -> Result<(), EvolutionError> {
    let cancel = CancellationToken::new();
    let (messages, mut told) = mpsc::channel(WAITING);
    let (events, mut said) = mpsc::channel::<Event>(WAITING);
    let working = async {
        let Asked {
            path,
            options,
            with_work_history,
        } = asked;
        let work = calls
            .engine
            .analyze(&path, options, with_work_history, events, &cancel);
        let report = bounded(calls, &messages, &cancel, Box::pin(work)).await?;
        let report = AnalyzeWorkflowResponse::of(Event::Report(report));
        let _ = messages.send(report).await;
        drop(messages);
        Ok::<_, EvolutionError>(())
    };
    let forwarding = forward(&mut said, &mut told, sender, &cancel);
    let leaving = async {
        sender.closed().await;
        cancel.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        (done, ()) = async { tokio::join!(working, forwarding) } => done,
        () = leaving => Err(EvolutionError::Cancelled),
    }
}

/// Sends what comes to the client. It ends with what it reads from: the events with the analysis, the messages with all of it.
async fn forward(
    events: &mut mpsc::Receiver<Event>,
    messages: &mut mpsc::Receiver<AnalyzeWorkflowResponse>,
    client: &mpsc::Sender<Result<AnalyzeWorkflowResponse, Status>>,
    cancel: &CancellationToken,
) {
    loop {
        let message = tokio::select! {
            // The report is the last message.
            biased;
            Some(event) = events.recv() => AnalyzeWorkflowResponse::of(event),
            Some(message) = messages.recv() => message,
            else => return,
        };
        if client.send(Ok(message)).await.is_err() {
            cancel.cancel();
        }
    }
}
