//! The figures of a client's status line become snapshots of signals, so that the risk is judged by what was measured.

use shim_proto::checkpoint::v1::{Signals, UsageMeasured};
use shim_runtime::ids::SessionId;

use super::api::Api;
use super::record_signals::notify_owner;
use crate::domain::forecast::{Point, is_news};
use crate::error::Error;
use crate::store::{Observed, ObservedSession};

/// Judges the sessions whose figures are new. One that has no owner, or whose owner changed meanwhile, is left.
pub(super) async fn judge(api: &Api, observed: &Observed) {
    for session in &observed.sessions {
        let Some(signals) = measured(session) else {
            continue;
        };
        let id = session.owner.session;
        if let Err(error) = record(api, session, id, signals).await {
            tracing::debug!(session = %id, %error, "the client's figures were not judged");
        }
    }
}

/// What was measured since, if the context was among it. What a transcript tells is not of now.
fn measured(session: &ObservedSession) -> Option<Signals> {
    if session.unsaved.moments.read_transcript {
        return None;
    }
    let usage = session.after.usage.as_ref()?;
    let signals = signals(usage)?;
    let before = session.before.usage.as_ref().and_then(self::signals);
    (before != Some(signals)).then_some(signals)
}

fn signals(usage: &UsageMeasured) -> Option<Signals> {
    Some(Signals {
        estimated_tokens: Some(usage.context_tokens?),
        context_window: usage.context_window,
        ..Signals::default()
    })
}

async fn record(
    api: &Api,
    session: &ObservedSession,
    id: SessionId,
    signals: Signals,
) -> Result<(), Error> {
    let point = Point {
        at: api.store.now(),
        tokens: signals.estimated_tokens.unwrap_or_default(),
        window: signals.context_window,
    };
    let newest = api.store.context_points(id, 1).await?;
    if !is_news(newest.first(), &point) {
        return Ok(());
    }
    let limits = &api.config.risk;
    let recorded = api
        .store
        .record_usage(session.owner, limits, signals)
        .await?;
    notify_owner(api, id, &recorded);
    Ok(())
}
