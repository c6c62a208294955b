//! Health that follows Redis: a service that keeps its data there is ready while Redis can be reached.

use shim_runtime::background::BackgroundTasks;
use shim_runtime::server::Readiness;

use crate::RedisConnection;

/// Keeps the readiness of the gRPC services `names` as Redis's, until the shutdown of `background`.
pub fn report(
    connection: &RedisConnection,
    readiness: &Readiness,
    names: &'static [&'static str],
    background: &BackgroundTasks,
) {
    let set = {
        let readiness = readiness.clone();
        move |connection: &RedisConnection| {
            for name in names {
                readiness.set(name, connection.health());
            }
        }
    };
    // Before the server serves: without a word it takes a service for ready.
    set(connection);
    let (connection, shutdown) = (connection.clone(), background.shutdown().clone());
    background.spawn_restarting("health", move || {
        let (set, mut connection, shutdown) = (set.clone(), connection.clone(), shutdown.clone());
        async move {
            loop {
                tokio::select! {
                    () = connection.health_changed() => set(&connection),
                    () = shutdown.wait() => return,
                }
            }
        }
    });
}
