//! ReportEvents: when it answers, the events are on the disk, and the checkpoints that they made due.

use shim_proto::checkpoint::v1::{
    ObservedEvent, RefusedEvent, ReportEventsRequest, ReportEventsResponse,
};
use shim_proto::limits::observation::{MAX_EVENTS, MAX_SESSION_IDS};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::{observed_fields, usage_signals};
use crate::domain::observation::due::due;
use crate::error::Error;
use crate::lease::observed::on_events;
use crate::store::{Observed, ObservedSession};

pub(super) async fn handle(
    api: &Api,
    request: ReportEventsRequest,
) -> Result<ReportEventsResponse, Status> {
    let mut fields = Fields::default();
    if request.events.is_empty() {
        fields.refuse("events", "is empty; give at least one");
    }
    fields.list("events", request.events.len(), MAX_EVENTS);
    fields.finish()?;

    let (mut events, mut places, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (index, event) in (0..).zip(request.events) {
        match observed_fields::checked(event, api.store.now()) {
            Ok(event) => {
                events.push(event);
                places.push(index);
            }
            Err(reason) => refused.push(RefusedEvent { index, reason }),
        }
    }
    let observed = observe(api, events).await?;
    refused.extend(observed.refused.iter().map(|event| {
        let index = usize::try_from(event.index).unwrap_or(usize::MAX);
        RefusedEvent {
            index: places.get(index).copied().unwrap_or(event.index),
            reason: event.reason.clone(),
        }
    }));
    refused.sort_by_key(|event| event.index);
    let sessions = observed.sessions.iter().take(MAX_SESSION_IDS);
    Ok(ReportEventsResponse {
        kept: observed.kept,
        repeated: observed.repeated,
        refused,
        session_ids: sessions
            .map(|session| session.owner.session.to_string())
            .collect(),
    })
}

/// Keeps checked events and does what follows from them.
pub(super) async fn observe(api: &Api, events: Vec<ObservedEvent>) -> Result<Observed, Error> {
    if events.is_empty() {
        return Ok(Observed::default());
    }
    let observed = api.store.observe(events).await?;
    for session in &observed.sessions {
        save_if_due(api, session).await;
    }
    on_events(api, &observed).await;
    usage_signals::judge(api, &observed).await;
    Ok(observed)
}

/// The events are kept, whatever becomes of the checkpoint: the next event makes it due again.
async fn save_if_due(api: &Api, session: &ObservedSession) {
    let due = due(&session.unsaved, &api.config.observed, api.store.now());
    let Some(trigger) = due else { return };
    let id = session.owner.session;
    if let Err(error) = api.store.save_observed(id, trigger).await {
        tracing::warn!(session = %id, %error, "what was observed could not be saved as a checkpoint; it comes again with the next event");
    }
}
