//! GetGuidance: keeps the event of a hook or of the status line, and answers what may be said at it.

use shim_proto::checkpoint::v1::{GetGuidanceRequest, GetGuidanceResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::observed_fields;
use super::report_events::observe;

pub(super) async fn handle(
    api: &Api,
    request: GetGuidanceRequest,
) -> Result<GetGuidanceResponse, Status> {
    let mut fields = Fields::default();
    let checked = request
        .event
        .map(|event| observed_fields::checked(event, api.store.now()));
    let event = match checked {
        Some(Err(reason)) => {
            fields.refuse("event", reason);
            None
        }
        Some(Ok(event)) => Some(event),
        None => None,
    };
    fields.finish()?;

    let observed = observe(api, event.into_iter().collect()).await?;
    let owner = observed.sessions.first().map(|session| session.owner);
    Ok(GetGuidanceResponse {
        session_id: owner.map_or_else(String::new, |owner| owner.session.to_string()),
        epoch: owner.map_or(0, |owner| owner.epoch.0),
        ..GetGuidanceResponse::default()
    })
}
