//! Files that take nothing more: every write fails, the log's too. The service says so, ends for nothing, and goes on by
//! itself. A limit of the process does it, so no disk is needed.

use std::process::Command;
use std::time::{Duration, Instant};

use shim_redis_harness::Port;
use shim_runtime::service_error::decode;
use shim_tests::rng::SeededRng;
use shim_tests::scrape::probe;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use shim_tests::{calls, sample_content};

const TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Sets the size that files of the service may have; false, with the reason printed, where that cannot be done.
fn limit_files(service: &Service, bytes: &str) -> bool {
    let limit = Command::new("prlimit")
        .arg(format!("--pid={}", service.pid()))
        // The soft limit alone, which may be raised again.
        .arg(format!("--fsize={bytes}:"))
        .output();
    match limit {
        Ok(done) if done.status.success() => true,
        other => {
            eprintln!("skipped: prlimit(1) cannot limit the service's files here: {other:?}");
            false
        }
    }
}

async fn wait_until_ready_says(address: &str, part: &str) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let said = probe(address, "/readyz").await.unwrap_or_default();
        if said.contains(part) {
            return;
        }
        assert!(Instant::now() < deadline, "never \"{part}\": {said}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[tokio::test]
async fn a_service_whose_files_take_nothing_recovers_by_itself() {
    let (temp, port) = (TempEnv::new(), Port::reserve());
    let address = format!("127.0.0.1:{}", port.number());
    let mut service = Launch::checkpoint(&temp.data_dir())
        .env("SHIM_METRICS_LISTEN", &address)
        .start_or_panic()
        .await;
    let mut client = service.client();
    let session = calls::open(&mut client, "/limited").await.unwrap();
    let mut rng = SeededRng::new(3);
    let mut state = |task: &str| sample_content::state(&mut rng, task, 4_000);
    calls::save(&mut client, &session, state("before"))
        .await
        .unwrap();
    wait_until_ready_says(&address, "ready").await;

    if !limit_files(&service, "0") {
        return;
    }
    for _ in 0..3 {
        let refused = calls::save(&mut client, &session, state("meanwhile")).await;
        let refused = decode(&refused.expect_err("nothing can be written"));
        assert_ne!(refused.reason, "STOPPING", "{refused}");
    }
    wait_until_ready_says(&address, "cannot be written").await;
    assert_eq!(
        service.exit_status(),
        None,
        "no signal and no panic ended it"
    );

    assert!(limit_files(&service, "unlimited"));
    wait_until_ready_says(&address, "\r\n\r\nready").await;
    let header = calls::save(&mut client, &session, state("after"))
        .await
        .unwrap();
    assert_eq!(header.number, 2, "a refused save leaves no gap");
    let history = calls::history(&mut client, &session.id, 0).await.unwrap();
    assert_eq!(history.checkpoints.len(), 2);
    assert!(service.stop().success());
    assert!(!service.log().contains("panicked"), "{}", service.log());
}
