//! A stack that a gateway started stops itself when nobody needs it, so that nothing is left running. Jobs that have not
//! ended need it: their workers, their deadlines and their schedules live in it.

use std::time::Duration;

use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::Activity;
use shim_store::Store;

/// The shortest wait between two looks.
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// How often it is asked whether jobs have ended.
const JOBS_INTERVAL: Duration = Duration::from_secs(5);

/// Begins the shutdown once no call was open for `limit`; returns when the shutdown begins. An attached session is an
/// open call, and so is a watch.
pub(super) async fn watch(
    activity: Activity,
    limit: Option<Duration>,
    store: &Store,
    shutdown: Shutdown,
) {
    let Some(limit) = limit else { return };
    while !shutdown.is_begun() {
        let idle = activity.idle_for();
        let has_jobs = idle >= limit && has_jobs(store).await;
        if idle >= limit && !has_jobs {
            tracing::info!(?idle, "nobody needs the stack; stopping");
            return shutdown.begin();
        }
        let interval = if has_jobs {
            JOBS_INTERVAL
        } else {
            limit.saturating_sub(idle).max(MIN_INTERVAL)
        };
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = shutdown.wait() => {}
        }
    }
}

/// Whether jobs are on their way. Without Redis there are none to be lost by stopping.
async fn has_jobs(store: &Store) -> bool {
    store.tasks.live_jobs().await.is_ok_and(|jobs| jobs > 0)
}
