//! AssessRisk: a judgement that stores nothing.

use shim_proto::checkpoint::v1::{AssessRiskRequest, AssessRiskResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::domain::risk::{assess, merged};
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
