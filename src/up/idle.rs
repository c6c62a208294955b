//! A stack that a gateway started stops itself when nobody needs it, so that nothing is left running.

use std::time::Duration;

use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::Activity;

/// The shortest wait between two looks.
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// Begins the shutdown once no session was attached and no call came for `limit`; returns when the shutdown begins.
pub(super) async fn watch(
    checkpoint: &shim_checkpoint::Service,
    activity: Activity,
    limit: Option<Duration>,
    shutdown: Shutdown,
) {
    let Some(limit) = limit else { return };
    while !shutdown.is_begun() {
        // An open stream is one call long ago, but its session is in use.
        if checkpoint.attached_sessions() > 0 {
            activity.touch();
        }
        let idle = activity.idle_for();
        if idle >= limit {
            tracing::info!(?idle, "nobody needs the stack; stopping");
            return shutdown.begin();
        }
        // A stream that closes between two looks was in use at most a tenth of the limit ago.
        let pause = (limit - idle).min(limit / 10).max(MIN_PAUSE);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.wait() => {}
        }
    }
}
