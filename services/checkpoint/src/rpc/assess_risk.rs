//! AssessRisk: a judgement that keeps nothing.

use shim_proto::checkpoint::v1::{AssessRiskRequest, AssessRiskResponse, Signals};
use tonic::Status;

use super::Api;
use super::fields::Fields;
use crate::domain::risk::assess;
use crate::metrics;
use crate::store::{sessions, signals};

pub(super) async fn handle(
    api: &Api,
    request: AssessRiskRequest,
) -> Result<AssessRiskResponse, Status> {
    let mut fields = Fields::default();
    let id = fields.uuid("session_id", &request.session_id);
    fields.signals(request.signals.as_ref());
    fields.finish()?;

    let now = api.store.now();
    let measured = request.signals.unwrap_or_default();
    let (previous, history) = api
        .store
        .read(move |db| {
            let stored = sessions::find(db, id)?;
            Ok((
                signals::newest(db, stored.row_id)?,
                signals::history(db, &stored, now)?,
            ))
        })
        .await?;
    let assessment = assess(
        &api.config.risk,
        &merged(measured, &previous),
        &history,
        now,
    );
    metrics::record_assessment(assessment.level());
    Ok(AssessRiskResponse {
        assessment: Some(assessment),
    })
}

/// What was measured now, and where nothing was, what was measured last.
fn merged(measured: Signals, previous: &Signals) -> Signals {
    Signals {
        estimated_tokens: measured.estimated_tokens.or(previous.estimated_tokens),
        context_window: measured.context_window.or(previous.context_window),
        message_count: measured.message_count.or(previous.message_count),
        tool_calls: measured.tool_calls.or(previous.tool_calls),
        tool_failures: measured.tool_failures.or(previous.tool_failures),
        response_latency_ms: measured
            .response_latency_ms
            .or(previous.response_latency_ms),
        memory: measured.memory.or(previous.memory),
    }
}
