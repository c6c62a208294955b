//! GetGuidance: keeps the event of a hook or of the status line, and answers what may be said at it.
//!
//! What cannot be read now is left out: the event is kept whatever becomes of the guidance.

use shim_proto::checkpoint::v1::{
    GetGuidanceRequest, GetGuidanceResponse, ObservedEvent, Session, SessionFacts,
};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::guidance_facts::{context, facts, project_of};
use super::observed_fields;
use super::report_events::observe;
use crate::domain::guidance::started;
use crate::error::Error;
use crate::store::Owner;

pub(super) async fn handle(
    api: &Api,
    request: GetGuidanceRequest,
) -> Result<GetGuidanceResponse, Status> {
    let Some(event) = checked(api, request)? else {
        return Ok(GetGuidanceResponse::default());
    };
    let observed = observe(api, vec![event.clone()]).await?;
    let owner = observed.sessions.first().map(|session| session.owner);
    let (context, facts) = told(api, &event, owner).await;
    Ok(GetGuidanceResponse {
        session_id: owner.map_or_else(String::new, |owner| owner.session.to_string()),
        epoch: owner.map_or(0, |owner| owner.epoch.0),
        context,
        facts: Some(facts),
    })
}

/// The event as it is kept, if one was given.
fn checked(api: &Api, request: GetGuidanceRequest) -> Result<Option<ObservedEvent>, Status> {
    let Some(event) = request.event else {
        return Ok(None);
    };
    let mut fields = Fields::default();
    let checked = observed_fields::checked(event, api.store.now());
    let checked = checked.map_err(|reason| fields.refuse("event", reason));
    fields.finish()?;
    Ok(checked.ok())
}

async fn told(api: &Api, event: &ObservedEvent, owner: Option<Owner>) -> (String, SessionFacts) {
    let found = async {
        let session: Option<Session> = match owner {
            Some(owner) => Some(api.store.find_session(owner.session).await?),
            None => None,
        };
        let project = match &session {
            Some(session) => session.project.clone(),
            None => project_of(event),
        };
        let context = match started(event) {
            Some(source) => context(api, source, event, session.as_ref(), &project).await?,
            None => String::new(),
        };
        let facts = facts(api, session.as_ref(), &project).await?;
        Ok::<_, Error>((context, facts))
    };
    found.await.unwrap_or_else(|error| {
        tracing::debug!(%error, "there is no guidance now");
        (String::new(), SessionFacts::default())
    })
}
