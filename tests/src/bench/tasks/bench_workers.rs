//! Workers outside the process, as Claude windows are: each claims a task, completes it and claims the next, through
//! gRPC, over a few connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shim_proto::coordination::v1::Worker;
use shim_proto::worker::v1::CompleteTaskRequest;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::retry::retry_unavailable;
use crate::service::Service;
use crate::tasks::{Claim, TaskClients, claim_request, complete_request};

/// Connections they share.
const CHANNELS: usize = 4;
const HEARTBEAT: Duration = Duration::from_millis(1_500);
/// How long a member waits for a task before it looks whether all work is done.
const WAIT: Duration = Duration::from_millis(200);

/// The workers. They leave with this.
pub(super) struct BenchWorkers {
    members: Vec<BenchWorker>,
    heartbeats: Vec<AbortHandle>,
}

/// One worker.
#[derive(Clone)]
pub(super) struct BenchWorker {
    clients: TaskClients,
    worker: Worker,
    running: Arc<AtomicU32>,
}

impl BenchWorkers {
    pub(super) async fn join(service: &Service, size: usize) -> Self {
        let channels: Vec<_> = (0..CHANNELS).map(|_| service.tasks()).collect();
        let (mut members, mut heartbeats) = (Vec::new(), Vec::new());
        for number in 0..size {
            let mut clients = channels[number % CHANNELS].clone();
            let worker = clients.register(&format!("worker {number}"), 1).await;
            let member = BenchWorker {
                worker: worker.expect("a worker is registered"),
                clients,
                running: Arc::default(),
            };
            heartbeats.push(tokio::spawn(member.clone().heartbeat()).abort_handle());
            members.push(member);
        }
        Self {
            members,
            heartbeats,
        }
    }

    /// One of them.
    pub(super) fn one(&self) -> BenchWorker {
        self.members[0].clone()
    }

    /// Does `count` tasks, and returns when the last of them was completed.
    pub(super) async fn complete_tasks(&self, count: usize) -> Instant {
        let left = Arc::new(AtomicUsize::new(count));
        let mut working = JoinSet::new();
        for member in &self.members {
            working.spawn(member.clone().work(Arc::clone(&left)));
        }
        let ends = working.join_all().await;
        ends.into_iter().flatten().max().expect("somebody worked")
    }
}

impl Drop for BenchWorkers {
    fn drop(&mut self) {
        self.heartbeats.iter().for_each(AbortHandle::abort);
    }
}

impl BenchWorker {
    /// Works while there is something left, and tells when its last task was completed.
    async fn work(self, left: Arc<AtomicUsize>) -> Option<Instant> {
        let mut end = None;
        while left.load(Ordering::Relaxed) > 0 {
            let Some(claim) = self.claim(WAIT).await else {
                continue;
            };
            self.running.store(1, Ordering::Relaxed);
            self.complete(&claim).await;
            self.running.store(0, Ordering::Relaxed);
            left.fetch_sub(1, Ordering::Relaxed);
            end = Some(Instant::now());
        }
        end
    }

    /// Waits for one task and does it; tells when it had it.
    pub(super) async fn run_task(self, wait: Duration) -> Instant {
        let claim = self.claim(wait).await;
        let started = Instant::now();
        let claim = claim.expect("the task came while it was waited for");
        self.complete(&claim).await;
        started
    }

    async fn claim(&self, wait: Duration) -> Option<Claim> {
        let request = claim_request(&self.worker, wait);
        let call =
            |mut clients: TaskClients, request| async move { clients.claim_as(request).await };
        let claim = retry_unavailable(&self.clients, request, call).await;
        claim.expect("tasks are given out")
    }

    async fn complete(&self, claim: &Claim) {
        let request = complete_request(claim, "");
        let call = |mut clients: TaskClients, request: CompleteTaskRequest| async move {
            clients.work.complete_task(request).await
        };
        let completed = retry_unavailable(&self.clients, request, call).await;
        completed.expect("the claim stands");
    }

    async fn heartbeat(self) {
        let mut ticks = tokio::time::interval(HEARTBEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let running = self.running.load(Ordering::Relaxed);
            let beat = (self.worker.clone(), running);
            let call = |mut clients: TaskClients, (worker, running): (Worker, u32)| async move {
                clients.heartbeat(&worker, running).await
            };
            let beat = retry_unavailable(&self.clients, beat, call).await;
            beat.expect("a living worker is heard");
        }
    }
}
