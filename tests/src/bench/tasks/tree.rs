//! A job of a thousand subtasks: how long it takes to submit it, and until it has ended.

use std::time::Instant;

use shim_proto::coordination::v1::{SubmitTaskRequest, TaskState};

use super::bench_workers::BenchWorkers;
use super::retry::{submit, wait_for_end};
use crate::bench::figure::Figure;
use crate::bench::latency::Latencies;
use crate::service::Service;
use crate::tasks::{job, subtask};

const SUBTASKS: usize = 1_000;
const ROUNDS: usize = 5;

pub(super) async fn measure(service: &Service, workers: &BenchWorkers) -> Vec<Figure> {
    let submitter = service.tasks();
    let (mut submits, mut ends) = (Latencies::default(), Latencies::default());
    for _ in 0..ROUNDS {
        let request = tree();
        let job = async {
            let start = Instant::now();
            let root = submit(&submitter, request).await;
            submits.record(start.elapsed());
            let root = wait_for_end(&submitter, &root).await;
            ends.record(start.elapsed());
            root
        };
        let (root, _) = tokio::join!(job, workers.complete_tasks(SUBTASKS));
        assert_eq!(root.state(), TaskState::Completed, "every subtask was done");
    }
    let figure = |what: &str, latencies: &mut Latencies| {
        let name = format!("a job of 1,000 subtasks, {what}, median");
        Figure::new(name, latencies.percentile_ms(50), "ms")
    };
    vec![
        figure("submit", &mut submits),
        figure("submit to end", &mut ends),
    ]
}

fn tree() -> SubmitTaskRequest {
    let subtasks = (0..SUBTASKS).map(|number| subtask(&format!("part {number}"), &[]));
    SubmitTaskRequest {
        subtasks: subtasks.collect(),
        ..job("a tree")
    }
}
