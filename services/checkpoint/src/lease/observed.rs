//! Leases of sessions that are known from what their clients tell by themselves: they have no stream, and live as long as
//! the client's process.

use crate::rpc::Api;
use crate::store::Observed;

/// Takes note of what events said of their sessions: who lives, and who ended.
#[allow(clippy::unused_async)]
pub(crate) async fn on_events(api: &Api, observed: &Observed) {
    for session in &observed.sessions {
        if session.is_opened || session.is_reopened {
            api.leases.grant(session.owner, session.client.clone());
        }
    }
}
