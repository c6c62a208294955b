//! Our side: jobs submitted through gRPC and done by a crew, one task each or as graphs of a hundred.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shim_proto::coordination::v1::{SubmitTaskRequest, Task, TaskState};
use tokio::task::JoinSet;

use super::bench_workers::BenchWorkers;
use super::retry::{submit, wait_for_end};
use super::side::{CONCURRENCY, JOBS, PAUSE_MS, TRIPS, TaskTurn, Trips};
use crate::service::Service;
use crate::tasks::{TaskClients, job, subtask};

/// Submissions on their way at once, over a few connections.
const SUBMITTING: usize = 64;
const CHANNELS: usize = 4;
/// A graph has so many rows of so many tasks; each waits for two of the row above.
const GRAPH: usize = 10;
const GRAPH_TASKS: usize = GRAPH * GRAPH;
const WAIT: Duration = Duration::from_secs(10);

/// How the jobs of a turn are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobShape {
    /// A job for each task.
    Singles,
    /// A job for each hundred.
    Graphs,
}

/// Submits as many tasks as the peers submit jobs, then has them done.
pub(super) async fn turn(service: &Service, workers: &BenchWorkers, shape: JobShape) -> TaskTurn {
    let start = Instant::now();
    let last = match shape {
        JobShape::Singles => {
            submit_all(service, JOBS, |number| job(&format!("job {number}"))).await
        }
        JobShape::Graphs => submit_all(service, JOBS / GRAPH_TASKS, graph).await,
    };
    let submitted = Instant::now();
    let end = workers.complete_tasks(JOBS).await;
    let ended = wait_for_end(&service.tasks(), &last).await;
    assert_eq!(ended.state(), TaskState::Completed, "every task was done");
    TaskTurn {
        submit_s: (submitted - start).as_secs_f64(),
        process_s: (end - submitted).as_secs_f64(),
    }
}

/// Submits `count` jobs, many at once; returns one of the last.
pub(in crate::bench) async fn submit_all(
    service: &Service,
    count: usize,
    job: fn(usize) -> SubmitTaskRequest,
) -> Task {
    let channels: Vec<TaskClients> = (0..CHANNELS).map(|_| service.tasks()).collect();
    let next = Arc::new(AtomicUsize::new(0));
    let mut submitting = JoinSet::new();
    for lane in 0..SUBMITTING.min(count) {
        let (clients, next) = (channels[lane % CHANNELS].clone(), Arc::clone(&next));
        submitting.spawn(async move {
            let mut last = None;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return last;
                }
                last = Some(submit(&clients, job(number)).await);
            }
        });
    }
    let last = submitting.join_all().await.into_iter().flatten().next();
    last.expect("jobs were taken")
}

/// A graph of a hundred tasks.
fn graph(number: usize) -> SubmitTaskRequest {
    let key = |row: usize, column: usize| format!("{row}.{}", column % GRAPH);
    let mut request = job(&format!("graph {number}"));
    for row in 0..GRAPH {
        for column in 0..GRAPH {
            let above = row.checked_sub(1);
            let above = above.map(|above| [key(above, column), key(above, column + 1)]);
            let depends_on: Vec<&str> = above.iter().flatten().map(String::as_str).collect();
            request
                .subtasks
                .push(subtask(&key(row, column), &depends_on));
        }
    }
    request
}

/// One task at a time, with one worker that waits for it.
pub(super) async fn trips(service: &Service) -> Trips {
    let submitter = service.tasks();
    let workers = BenchWorkers::join(service, 1).await;
    let mut trips = Trips::default();
    for number in 0..TRIPS {
        let worker = workers.one();
        let working = tokio::spawn(async move { worker.run_task(WAIT).await });
        tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
        let submitted = Instant::now();
        let root = submit(&submitter, job(&format!("trip {number}"))).await;
        let ended = wait_for_end(&submitter, &root).await;
        trips.result.record(submitted.elapsed());
        assert_eq!(ended.state(), TaskState::Completed, "it was done");
        let started = working.await.expect("no panic");
        trips.start.record(started.duration_since(submitted));
    }
    trips
}

/// As many workers as the peers process jobs at once.
pub(super) async fn start_workers(service: &Service) -> BenchWorkers {
    BenchWorkers::join(service, CONCURRENCY).await
}
