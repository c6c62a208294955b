//! What the commands of this folder print, as snapshots: the documentation of their output.

use insta::assert_snapshot;
use shim_proto::coordination::v1::{
    GetWorkerResponse, ListWorkersResponse, Worker, WorkerHealth, WorkerKind,
};
use shim_proto::worker::v1::{GetWorkerHealthResponse, RunningTask, WorkerReport};

use super::work::brief;
use super::{health, list, show};
use crate::samples::{ahead, both_faces, id, job, printed, worker};

/// An agent whose provider lets it do nothing for a while.
fn unfit_worker() -> Worker {
    Worker {
        kind: WorkerKind::Agent.into(),
        name: "claude".into(),
        health: WorkerHealth::Unhealthy.into(),
        detail: "You've hit your limit".into(),
        unfit_until: ahead(2_520),
        running: 0,
        ..worker()
    }
}

#[test]
fn list() {
    let listed = ListWorkersResponse {
        workers: vec![worker()],
        ..ListWorkersResponse::default()
    };
    let rows = [(worker(), brief(&job().1[0]))];
    assert_snapshot!(both_faces(&listed, |out| list::print(&rows, out)));
    let unfit = [(unfit_worker(), String::new())];
    assert_snapshot!(
        "list_of_an_unfit_worker",
        printed(|out| list::print(&unfit, out))
    );
    assert_snapshot!("list_of_none", printed(|out| list::print(&[], out)));
}

#[test]
fn show() {
    let found = GetWorkerResponse {
        worker: Some(worker()),
    };
    let print = |out: &mut dyn std::io::Write| {
        show::print(&worker(), out)?;
        show::print_tasks(&job().1, out)
    };
    assert_snapshot!(both_faces(&found, print));
}

#[test]
fn health() {
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let health = GetWorkerHealthResponse {
        workers: vec![WorkerReport {
            worker: Some(worker()),
            executor: "claude".into(),
            tasks: vec![RunningTask {
                task_id: id(21),
                running: seconds(240),
                silent: seconds(130),
                progress: 0.25,
                pid: 4_711,
                stuck: true,
            }],
            completed: 5,
            failed: 1,
            restarts: 0,
            held: 2,
        }],
    };
    assert_snapshot!(both_faces(&health, |out| health::print(&health, out)));
    let none = GetWorkerHealthResponse::default();
    assert_snapshot!("health_of_none", printed(|out| health::print(&none, out)));
}
