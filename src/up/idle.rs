//! A stack that a gateway started stops itself when nobody needs it, so that nothing is left running.

use std::time::Duration;

use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::Activity;

/// The shortest wait between two looks.
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// Begins the shutdown once no call was open for `limit`; returns when the shutdown begins. An attached session is an
/// open call, and so is a watch.
pub(super) async fn watch(activity: Activity, limit: Option<Duration>, shutdown: Shutdown) {
    let Some(limit) = limit else { return };
    while !shutdown.is_begun() {
        let idle = activity.idle_for();
        if idle >= limit {
            tracing::info!(?idle, "nobody needs the stack; stopping");
            return shutdown.begin();
        }
        let pause = (limit - idle).max(MIN_PAUSE);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.wait() => {}
        }
    }
}
