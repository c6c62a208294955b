//! GetObservation: what the client told by itself of a session.

use shim_proto::checkpoint::v1::{GetObservationRequest, GetObservationResponse};
use shim_proto::limits::observation::MAX_ANSWERED_EVENTS;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: GetObservationRequest,
) -> Result<GetObservationResponse, Status> {
    let mut fields = Fields::default();
    let session = fields.id("session_id", &request.session_id);
    let count = u32::try_from(request.event_count).ok();
    let count = count.filter(|count| *count <= MAX_ANSWERED_EVENTS);
    if count.is_none() {
        let seen = request.event_count;
        fields.refuse(
            "event_count",
            format!("must be 0..{MAX_ANSWERED_EVENTS}; it is {seen}"),
        );
    }
    fields.finish()?;

    let state = api.store.observation(session).await?;
    let events = match count {
        Some(count @ 1..) => api.store.observed_events(session, count).await?,
        _ => Vec::new(),
    };
    Ok(GetObservationResponse { state, events })
}
