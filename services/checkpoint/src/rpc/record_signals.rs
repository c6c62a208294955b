//! RecordSignals: keeps a snapshot, judges it, and saves the session itself when the judgement is danger.

use shim_proto::checkpoint::v1::{Notice, RecordSignalsRequest, RecordSignalsResponse, RiskLevel};
use shim_runtime::ids::SessionId;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::domain::risk::describe_raised;
use crate::store::Owner;

pub(super) async fn handle(
    api: &Api,
    request: RecordSignalsRequest,
) -> Result<RecordSignalsResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.id("session_id", &request.session_id);
    fields.epoch(request.epoch);
    fields.signals(request.signals.as_ref());
    fields.finish()?;

    let owner = Owner::new(id, request.epoch);
    let limits = &api.config.risk;
    let recorded = api.store.record_signals(owner, limits, request).await?;
    api.leases.renew_or_grant(owner);
    notify_owner(api, id, &recorded);
    Ok(recorded)
}

/// Sends notices to the owner's stream, so that they reach the conversation with its next call.
pub(super) fn notify_owner(api: &Api, session: SessionId, recorded: &RecordSignalsResponse) {
    let Some(assessment) = &recorded.assessment else {
        return;
    };
    if assessment.level <= recorded.previous_level || assessment.level() == RiskLevel::Safe {
        return;
    }
    let level = if assessment.level() == RiskLevel::Danger {
        "danger"
    } else {
        "warning"
    };
    let notice = |kind: &str, text: String| Notice {
        kind: kind.into(),
        text,
        at: assessment.assessed_at,
    };
    let raised = describe_raised(assessment);
    api.leases.notify(
        session,
        notice(
            "risk_raised",
            format!(
                "The session's risk rose to {level} ({:.1}): {raised}.",
                assessment.risk
            ),
        ),
    );
    if let Some(checkpoint) = &recorded.danger_checkpoint {
        let text = format!(
            "The service saved the last known state as checkpoint {}.",
            checkpoint.number
        );
        api.leases
            .notify(session, notice("danger_checkpoint", text));
    }
}
