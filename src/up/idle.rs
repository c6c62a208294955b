//! The idle exit: a stack that a gateway started stops itself when no call is open and no job is alive, so that nothing
//! is left running. Workers, deadlines and schedules of live jobs run in the stack.

use std::time::Duration;

use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::Activity;
use shim_store::Store;

/// The shortest wait between two looks.
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// The time between two looks at the jobs.
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

/// Whether a job is alive. Without Redis, stopping loses no job.
async fn has_jobs(store: &Store) -> bool {
    store.tasks.live_jobs().await.is_ok_and(|jobs| jobs > 0)
}
