//! A folder that cannot be written is refused at the start, in words that help.

use std::time::{Duration, Instant};

use shim_tests::mount::Tmpfs;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;

use super::known_store::KnownStore;

#[tokio::test]
async fn a_read_only_folder_is_refused_with_the_remedy() {
    let temp = TempEnv::new();
    let Some(disk) = Tmpfs::mount(&temp.data_dir(), "16m") else {
        return;
    };
    disk.make_read_only();
    assert_refused(&temp).await;
}

#[tokio::test]
async fn a_store_that_became_read_only_is_refused_and_whole_when_writable_again() {
    let temp = TempEnv::new();
    let Some(disk) = Tmpfs::mount(&temp.data_dir(), "16m") else {
        return;
    };
    let mut service = Service::start(&temp.data_dir()).await;
    let known = KnownStore::fill(&service, 2, 5).await;
    service.kill();

    disk.make_read_only();
    assert_refused(&temp).await;
    disk.make_writable();
    let service = Service::start(&temp.data_dir()).await;
    assert_eq!(
        known.assert_serves_only_truth(&service).await,
        known.whole()
    );
}

async fn assert_refused(temp: &TempEnv) {
    let start = Instant::now();
    let failure = Launch::checkpoint(&temp.data_dir())
        .start()
        .await
        .expect_err("nothing can be written");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "it says so at once"
    );
    let status = failure
        .status
        .unwrap_or_else(|| panic!("it leaves: {}", failure.log));
    assert!(
        status.code().is_some_and(|code| code != 0),
        "{status}: {}",
        failure.log
    );
    let folder = temp.data_dir().display().to_string();
    assert!(
        failure.log.contains(&folder),
        "it names the folder: {}",
        failure.log
    );
    assert!(
        failure.log.contains("--data-dir"),
        "it names the remedy: {}",
        failure.log
    );
    assert!(!failure.log.contains("panicked"), "{}", failure.log);
}
