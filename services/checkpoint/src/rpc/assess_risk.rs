//! AssessRisk: a judgement that stores nothing.

use shim_proto::checkpoint::v1::{AssessRiskRequest, AssessRiskResponse, Signals};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::domain::risk::assess;
use crate::metrics;

pub(super) async fn handle(
    api: &Api,
    request: AssessRiskRequest,
) -> Result<AssessRiskResponse, Status> {
    let mut fields = Fields::default();
    let id = fields.id("session_id", &request.session_id);
    fields.signals(request.signals.as_ref());
    fields.finish()?;

    let now = api.store.now();
    let measured = request.signals.unwrap_or_default();
    let (previous, history) = api.store.risk_inputs(id, now).await?;
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

/// The values measured now, and for those left out the last ones.
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
