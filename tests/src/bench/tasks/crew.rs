//! Workers outside the process, as Claude windows are: each claims a task, completes it and claims the next, through
//! gRPC, over a few connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shim_proto::coordination::v1::Worker;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::service::Service;
use crate::tasks::TaskClients;

/// Connections they share.
const CHANNELS: usize = 4;
const HEARTBEAT: Duration = Duration::from_millis(1_500);
/// How long a member waits for a task before it looks whether all work is done.
const WAIT: Duration = Duration::from_millis(200);

/// The workers. They leave with this.
pub(super) struct Crew {
    members: Vec<Member>,
    hearts: Vec<AbortHandle>,
}

/// One worker.
#[derive(Clone)]
pub(super) struct Member {
    clients: TaskClients,
    worker: Worker,
    running: Arc<AtomicU32>,
}

impl Crew {
    pub(super) async fn join(service: &Service, size: usize) -> Self {
        let channels: Vec<_> = (0..CHANNELS).map(|_| service.tasks()).collect();
        let (mut members, mut hearts) = (Vec::new(), Vec::new());
        for number in 0..size {
            let mut clients = channels[number % CHANNELS].clone();
            let worker = clients.join(&format!("worker {number}"), 1).await;
            let member = Member {
                worker: worker.expect("a worker is registered"),
                clients,
                running: Arc::default(),
            };
            hearts.push(tokio::spawn(member.clone().beat()).abort_handle());
            members.push(member);
        }
        Self { members, hearts }
    }

    /// One of them.
    pub(super) fn one(&self) -> Member {
        self.members[0].clone()
    }

    /// Does `count` tasks, and returns when the last of them was completed.
    pub(super) async fn work_off(&self, count: usize) -> Instant {
        let left = Arc::new(AtomicUsize::new(count));
        let mut working = JoinSet::new();
        for member in &self.members {
            working.spawn(member.clone().work(Arc::clone(&left)));
        }
        let ends = working.join_all().await;
        ends.into_iter().flatten().max().expect("somebody worked")
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.hearts.iter().for_each(AbortHandle::abort);
    }
}

impl Member {
    /// Works while there is something left, and tells when its last task was completed.
    async fn work(mut self, left: Arc<AtomicUsize>) -> Option<Instant> {
        let mut end = None;
        while left.load(Ordering::Relaxed) > 0 {
            let claim = self.clients.claim(&self.worker, WAIT).await;
            let Some(claim) = claim.expect("tasks are given out") else {
                continue;
            };
            self.running.store(1, Ordering::Relaxed);
            let completed = self.clients.complete(&claim, "").await;
            completed.expect("the claim stands");
            self.running.store(0, Ordering::Relaxed);
            left.fetch_sub(1, Ordering::Relaxed);
            end = Some(Instant::now());
        }
        end
    }

    /// Waits for one task and does it; tells when it had it.
    pub(super) async fn do_one(mut self, wait: Duration) -> Instant {
        let claim = self.clients.claim(&self.worker, wait).await;
        let claim = claim.expect("tasks are given out");
        let started = Instant::now();
        let claim = claim.expect("the task came while it was waited for");
        let completed = self.clients.complete(&claim, "").await;
        completed.expect("the claim stands");
        started
    }

    async fn beat(mut self) {
        let mut ticks = tokio::time::interval(HEARTBEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let running = self.running.load(Ordering::Relaxed);
            let beat = self.clients.beat(&self.worker, running).await;
            beat.expect("a living worker is heard");
        }
    }
}
