//! `shim workers`: who can work, and the life of workers with an executor.

use std::time::Duration;

use shim_proto::coordination::v1::{ListWorkersRequest, Worker};

use super::known_data::worker;
use super::shell::Shell;

const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Ten seconds: only a stack that is stuck takes longer.
const MAX_POLLS: usize = 500;

/// The worker of this name, as soon as it is registered.
async fn registered(shell: &Shell, name: &str) -> Worker {
    let mut registry = shell.service.tasks().registry;
    for _ in 0..MAX_POLLS {
        let listed = registry.list_workers(ListWorkersRequest::default()).await;
        let workers = listed.unwrap().into_inner().workers;
        if let Some(found) = workers.into_iter().find(|worker| worker.name == name) {
            return found;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    panic!("{name} did not register");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_listed_and_shown() {
    let mut shell = Shell::new().await;
    shell.snapshot_both("workers_list_none", &["workers", "list"]).await;
    for name in ["ada", "bob"] {
        let worker = worker(&shell.service, name).await;
        shell.redaction.replace_id(&worker.worker_id, name);
    }
    shell.snapshot_both("workers_list", &["workers", "list"]).await;
    let rust = ["workers", "list", "--capability", "rust"];
    shell.snapshot("workers_list_capability", &rust).await;
    shell.snapshot("workers_show_missing", &["workers", "show", "ffffffff"]).await;
    shell.snapshot_both("workers_health", &["workers", "health"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_workers_are_watched() {
    let shell = Shell::new().await;
    worker(&shell.service, "ada").await;
    for (name, words, ready) in [
        ("workers_watch", &["workers", "watch"][..], "watching"),
        ("workers_watch_json", &["workers", "watch", "--json"][..], "synced"),
    ] {
        let newcomer = format!("newcomer of {name}");
        let change = async {
            worker(&shell.service, &newcomer).await;
        };
        shell.snapshot_watch(name, words, (ready, &newcomer), change).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_with_an_executor_are_started_drained_and_stopped() {
    let mut shell = Shell::new().await;
    let start = ["workers", "start", "echo", "--name", "mule"];
    let output = shell.run(&start).await;
    assert!(output.status.success(), "{output:?}");
    let mule = registered(&shell, "mule").await;
    shell.redaction.replace_id(&mule.worker_id, "mule");
    shell.snapshot("workers_start", &["workers", "start", "echo", "--name", "ox"]).await;
    let start = ["workers", "start", "echo", "--name", "yak", "--capacity", "2", "--json"];
    shell.snapshot("workers_start_json", &start).await;
    shell.snapshot("workers_start_unknown", &["workers", "start", "nothing"]).await;
    let ox = registered(&shell, "ox").await;
    shell.redaction.replace_id(&ox.worker_id, "ox");
    let yak = registered(&shell, "yak").await;
    shell.redaction.replace_id(&yak.worker_id, "yak");
    shell.snapshot("workers_show_executor", &["workers", "show", &mule.worker_id]).await;
    shell.snapshot("workers_drain", &["workers", "drain", &mule.worker_id]).await;
    shell.snapshot("workers_stop", &["workers", "stop", &ox.worker_id]).await;
    let stop = ["workers", "stop", &yak.worker_id, "--json"];
    shell.snapshot("workers_stop_json", &stop).await;
}
