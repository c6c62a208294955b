//! What guidance is made of, read from the store: the standing of a session, and what a conversation that begins should know.

use std::path::Path;
use std::time::{Duration, SystemTime};

use shim_proto::checkpoint::v1::{
    CheckpointState, ObservedEvent, ObservedState, RecoveryCandidate, RiskLevel, Session,
    SessionFacts, SessionStartSource,
};
use shim_render::guidance::{Interrupted, TakenOver, at_compaction, at_resume, at_start};
use shim_render::{text, time};
use shim_runtime::ids::{CheckpointId, SessionId};

use super::api::Api;
use crate::domain::guidance::{calls_to_tell, is_news, previous_start, taken_over};
use crate::domain::recovery::noticed_at;
use crate::domain::risk::describe_raised;
use crate::error::Error;
use crate::lease::alive_again::is_back;
use crate::store::CheckpointRef;

/// Candidates that are looked at; few of them are told.
const MAX_CANDIDATES: u32 = 8;
/// Candidates whose contents are read.
const MAX_READ: usize = 3;
/// Events that are looked through for the start of the conversation before.
const MAX_EVENTS: u32 = 300;
const MAX_NAME: usize = 60;

/// The session's standing in figures.
pub(super) async fn facts(
    api: &Api,
    session: Option<&Session>,
    project: &str,
) -> Result<SessionFacts, Error> {
    let store = &api.store;
    let id = session.and_then(|session| session.id.parse::<SessionId>().ok());
    let level = session.map_or(RiskLevel::Unspecified, Session::risk_level);
    let newest = match id.filter(|_| level > RiskLevel::Safe) {
        Some(id) => store.newest_signals(id).await?,
        None => None,
    };
    let assessment = newest.and_then(|newest| newest.assessment);
    let full_in = match id {
        Some(id) => store.context_full_in(id, store.now()).await?,
        None => None,
    };
    Ok(SessionFacts {
        last_checkpoint_at: session.and_then(|session| session.last_checkpoint_at),
        risk_level: level.into(),
        raised: assessment.map_or_else(String::new, |assessment| describe_raised(&assessment)),
        context_full_in: full_in.and_then(|left| left.try_into().ok()),
        project: project.to_owned(),
        interrupted_sessions: store.count_recoverable(project.to_owned(), id).await?,
    })
}

/// What a conversation should know where it begins or goes on.
pub(super) async fn context(
    api: &Api,
    source: SessionStartSource,
    event: &ObservedEvent,
    session: Option<&Session>,
    project: &str,
) -> Result<String, Error> {
    match (source, session) {
        (SessionStartSource::Compact, Some(session)) => of_compaction(api, session).await,
        (SessionStartSource::Resume, Some(session)) => of_resume(api, event, session).await,
        (SessionStartSource::Compact, None) => Ok(String::new()),
        _ => of_start(api, event, session, project).await,
    }
}

async fn of_start(
    api: &Api,
    event: &ObservedEvent,
    own: Option<&Session>,
    project: &str,
) -> Result<String, Error> {
    let store = &api.store;
    let found = store
        .recovery_candidates(project.to_owned(), true, MAX_CANDIDATES, is_back)
        .await?;
    let own = own.map(|session| session.id.as_str());
    let news = |candidate: &RecoveryCandidate| is_news(candidate, own, &event.conversation);
    let news: Vec<RecoveryCandidate> = found.candidates.into_iter().filter(news).collect();
    let mut read = Vec::new();
    for candidate in news.iter().take(MAX_READ) {
        if let Some(session) = &candidate.session
            && let Some(state) = state_of(api, candidate).await?
        {
            read.push((session, state));
        }
    }
    let now = store.now();
    let told: Vec<Interrupted<'_>> = read
        .iter()
        .map(|(session, state)| Interrupted {
            session,
            state,
            age: noticed_at(session).map_or(Duration::ZERO, |at| now.since(at)),
        })
        .collect();
    let more = news.len().saturating_sub(told.len()) + usize::try_from(found.more).unwrap_or(0);
    Ok(at_start(&told, more, system_time(api)))
}

/// What a candidate would go on with, with what was observed of it last; `None` if it cannot be read.
async fn state_of(
    api: &Api,
    candidate: &RecoveryCandidate,
) -> Result<Option<CheckpointState>, Error> {
    let checkpoint = candidate.checkpoint.as_ref();
    let id = checkpoint.and_then(|checkpoint| checkpoint.id.parse::<CheckpointId>().ok());
    let Some(id) = id else { return Ok(None) };
    let mut state = match api.store.get_checkpoint(CheckpointRef::Id(id)).await {
        Ok((_, state, _)) => state,
        Err(Error::Thinned(_)) => return Ok(None),
        Err(error) if error.is_nothing_readable() => return Ok(None),
        Err(error) => return Err(error),
    };
    let session = candidate.session.as_ref();
    let session = session.and_then(|session| session.id.parse::<SessionId>().ok());
    if let Some(session) = session
        && let Some(seen) = api.store.observation(session).await?
    {
        state.observed = Some(seen);
    }
    Ok(Some(state))
}

async fn of_compaction(api: &Api, session: &Session) -> Result<String, Error> {
    let Ok(id) = session.id.parse::<SessionId>() else {
        return Ok(String::new());
    };
    match api.store.get_checkpoint(CheckpointRef::Newest(id)).await {
        Ok((checkpoint, state, _)) => Ok(at_compaction(&state, checkpoint.number)),
        Err(error) if error.is_nothing_readable() => Ok(String::new()),
        Err(error) => Err(error),
    }
}

async fn of_resume(api: &Api, event: &ObservedEvent, session: &Session) -> Result<String, Error> {
    let store = &api.store;
    let Ok(id) = session.id.parse::<SessionId>() else {
        return Ok(String::new());
    };
    let seen: ObservedState = store.observation(id).await?.unwrap_or_default();
    let events = store.observed_events(id, MAX_EVENTS).await?;
    let before = previous_start(&events, event);
    let restored_at = store.restored_at(id).await?;
    let owner = taken_over(session, &event.conversation, restored_at, before);
    let taken = owner.map(|owner| TakenOver {
        owner: match text::name(&owner.name, MAX_NAME).as_str() {
            "" => "another client".to_owned(),
            name => format!("another conversation of {name}"),
        },
        head_number: session.head_number,
    });
    // What another owner does is not this conversation's.
    let calls = match taken {
        Some(_) => Vec::new(),
        None => calls_to_tell(&seen, before),
    };
    Ok(at_resume(
        &session.id,
        &calls,
        taken.as_ref(),
        system_time(api),
    ))
}

fn system_time(api: &Api) -> Option<SystemTime> {
    time::moment(Some(&api.store.now().into()))
}

/// The project of a conversation that has no session yet, as sessions name it.
pub(super) fn project_of(event: &ObservedEvent) -> String {
    match Path::new(&event.cwd).is_absolute() {
        true => shim_runtime::workspace::identity(&event.cwd),
        false => String::new(),
    }
}
