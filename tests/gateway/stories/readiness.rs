//! A gateway knows whether the services behind it can serve, without asking for every probe.

use std::time::{Duration, Instant};

use shim_runtime::server::Readiness;

use shim_gateway_stories::TestEnv;

const CHECKPOINT: &str = "shim.checkpoint.v1.CheckpointService";
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the checkpoint service can serve, or until it cannot for a reason that begins so.
async fn until(readiness: &Readiness, reason: Option<&str>) {
    let began = Instant::now();
    loop {
        let unready = readiness.unready();
        let is_so = match (unready.get(CHECKPOINT), reason) {
            (Some(state), Some(wanted)) => state.starts_with(wanted),
            (state, wanted) => state.is_none() && wanted.is_none(),
        };
        if is_so {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{unready:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_service_that_is_away_is_told_until_it_is_back() {
    let mut env = TestEnv::new().await;
    let gateway = env.gateway();
    let readiness = Readiness::default();
    let watching = async {
        until(&readiness, None).await;
        env.checkpoint.kill();
        until(&readiness, Some("does not answer: ")).await;
        env.checkpoint.resume();
        until(&readiness, None).await;
    };
    tokio::select! {
        () = watching => {}
        never = gateway.watch_upstreams(&readiness) => match never {},
    }
}
