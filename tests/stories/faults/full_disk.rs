//! A disk that is full refuses saves and loses none; with room again, saving goes on.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_redis_harness::Port;
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::service_error::decode;
use shim_tests::mount::Tmpfs;
use shim_tests::rng::SeededRng;
use shim_tests::scrape::probe;
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;
use shim_tests::{binary, calls, sample_content};
use tonic::Code;

const TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

const STATE_BYTES: usize = 16 * 1024;
/// More saves than the disk can hold.
const SAVES: usize = 2000;

#[tokio::test]
async fn a_full_disk_refuses_saves_and_loses_none() {
    let temp = TempEnv::new();
    let Some(_disk) = Tmpfs::mount(&temp.data_dir(), "4m") else {
        return;
    };
    let ballast = temp.data_dir().join("ballast");
    std::fs::write(&ballast, vec![1; 2 * 1024 * 1024]).unwrap();

    let mut service = Service::start(&temp.data_dir()).await;
    let mut client = service.client();
    let session = calls::open(&mut client, "/full").await.unwrap();
    let mut rng = SeededRng::new(11);
    let mut acknowledged = Vec::new();
    let mut refusal = None;
    for step in 0..SAVES {
        let state = sample_content::state(&mut rng, &format!("step {step}"), STATE_BYTES);
        match calls::save(&mut client, &session, state.clone()).await {
            Ok(header) => acknowledged.push((header, state)),
            Err(status) => {
                refusal = Some(status);
                break;
            }
        }
    }
    let refusal = refusal.expect("the disk is small");
    let decoded = decode(&refusal);
    assert_eq!(
        (refusal.code(), decoded.reason.as_str()),
        (Code::ResourceExhausted, "DISK_FULL"),
        "{decoded}"
    );
    assert!(
        decoded.remedy.is_some() && decoded.retry_after.is_some(),
        "{decoded:?}"
    );
    assert!(!acknowledged.is_empty() && service.is_healthy().await);
    assert_all_there(&service, &session.id, &acknowledged).await;

    std::fs::remove_file(&ballast).unwrap();
    let state = sample_content::state(&mut rng, "after the room came back", STATE_BYTES);
    let header = calls::save(&mut client, &session, state.clone())
        .await
        .expect("there is room again");
    assert_eq!(
        header.number,
        acknowledged.len() as u64 + 1,
        "a refused save leaves no gap"
    );
    acknowledged.push((header, state));

    service.kill();
    let service = Service::start(&temp.data_dir()).await;
    assert_all_there(&service, &session.id, &acknowledged).await;
}

async fn assert_all_there(
    service: &Service,
    session_id: &str,
    acknowledged: &[(
        shim_proto::checkpoint::v1::Checkpoint,
        shim_proto::checkpoint::v1::CheckpointState,
    )],
) {
    let mut client = service.client();
    let history = calls::history(&mut client, session_id, 0).await.unwrap();
    assert!(history.damaged_numbers.is_empty());
    assert_eq!(history.checkpoints.len(), acknowledged.len());
    for (header, state) in acknowledged {
        assert_eq!(
            &calls::content(&mut client, &header.id).await.unwrap(),
            state
        );
    }
}

/// A client of the stack that runs in a data folder.
fn client_of(temp: &TempEnv) -> CheckpointServiceClient<Channel> {
    let channel = connect(&Endpoint::Unix(temp.stack().socket()), None).unwrap();
    CheckpointServiceClient::new(channel)
}

async fn shim(temp: &TempEnv, words: &[&str], probes: &str) -> String {
    let output = tokio::process::Command::new(binary::shim())
        .arg("--data-dir")
        .arg(temp.data_dir())
        .args(words)
        .env("SHIM_METRICS_LISTEN", probes)
        .env("HOME", temp.root())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "shim {words:?}: {said}");
    said.into_owned()
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

/// Stops the stack while its folder is still there: declared behind the disk, it is dropped before.
struct StackUntilUnmount<'a>(&'a TempEnv);

impl Drop for StackUntilUnmount<'_> {
    fn drop(&mut self) {
        self.0.stop_stack();
    }
}

/// Takes every byte that is free.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for size in [64 * 1024, 4 * 1024, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_in_the_background_goes_on_after_a_full_disk() {
    let (temp, port) = (TempEnv::new(), Port::reserve());
    let Some(_disk) = Tmpfs::mount(&temp.data_dir(), "12m") else {
        return;
    };
    let _stack = StackUntilUnmount(&temp);
    let probes = format!("127.0.0.1:{}", port.number());
    let up = ["up", "--detach"];
    shim(&temp, &up, &probes).await;
    wait_until_ready_says(&probes, "\r\n\r\nready").await;
    let mut client = client_of(&temp);
    let session = calls::open(&mut client, "/full").await.unwrap();
    let mut rng = SeededRng::new(13);
    let mut state = |task: &str| sample_content::state(&mut rng, task, STATE_BYTES);
    calls::save(&mut client, &session, state("before"))
        .await
        .unwrap();

    let ballast = temp.data_dir().join("ballast");
    fill(&ballast);
    let mut refused = 0;
    for _ in 0..SAVES {
        if let Err(status) = calls::save(&mut client, &session, state("meanwhile")).await {
            assert_eq!(decode(&status).reason, "DISK_FULL", "{status}");
            refused += 1;
        }
        if refused == 2 {
            break;
        }
    }
    assert_eq!(refused, 2, "the disk is full");
    wait_until_ready_says(&probes, "full").await;
    // The remedy that is told.
    let pruned = shim(
        &temp,
        &[
            "sessions",
            "prune",
            "--older-than",
            "0s",
            "--keep-last",
            "1",
        ],
        &probes,
    )
    .await;
    assert!(pruned.contains("dropped"), "{pruned}");

    std::fs::remove_file(&ballast).unwrap();
    // All of it, the coordination with its Redis, too.
    wait_until_ready_says(&probes, "\r\n\r\nready").await;
    calls::save(&mut client, &session, state("after"))
        .await
        .unwrap();
    shim(&temp, &["state", "put", "plan", "{}"], &probes).await;
    let log = std::fs::read_to_string(temp.stack().log_path()).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}
