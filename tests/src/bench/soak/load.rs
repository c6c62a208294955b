//! The load: rounds that each save, submit and complete a task, put state, take a lock, send and receive a message. Every
//! so often a session's client and a worker vanish without a word, and others come.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{CheckpointState, Session};
use shim_proto::coordination::v1::{AckMessagesRequest, Worker};
use shim_runtime::client::Channel;
use tokio::time::MissedTickBehavior;

use crate::bench::latency::Latencies;
use crate::coordination::{CoordinationClients, counted, inbox, lock, message, put};
use crate::rng::SeededRng;
use crate::service::Service;
use crate::tasks::{TaskClients, job};
use crate::{calls, sample_content};

/// Rounds between two deaths.
const LIFE: u64 = 200;
/// Keys and inboxes that the load uses in turn.
const NAMES: u64 = 64;
const TTL: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_millis(1_500);
const KINDS: [&str; 5] = ["save", "task", "state", "lock", "message"];

/// The clients.
pub(super) struct Load {
    checkpoints: CheckpointServiceClient<Channel>,
    tasks: TaskClients,
    coordination: CoordinationClients,
    session: Session,
    worker: Worker,
    heard: Instant,
    states: Vec<CheckpointState>,
    round: u64,
}

impl Load {
    pub(super) async fn open(service: &Service) -> Self {
        let mut rng = SeededRng::new(17);
        let mut checkpoints = service.client();
        let mut tasks = service.tasks();
        let session = calls::open(&mut checkpoints, "/soak").await;
        let worker = tasks.register("a worker", 1).await;
        Self {
            session: session.expect("a session is opened"),
            worker: worker.expect("a worker is registered"),
            checkpoints,
            tasks,
            coordination: service.coordination(),
            heard: Instant::now(),
            states: (0..32)
                .map(|_| sample_content::state(&mut rng, "a long task", 2048))
                .collect(),
            round: 0,
        }
    }

    /// Rounds a second without a pause.
    pub(super) async fn ramp(&mut self, span: Duration) -> f64 {
        let (start, mut rounds) = (Instant::now(), 0.0);
        let mut unused = Default::default();
        while start.elapsed() < span {
            self.run_round(&mut unused).await;
            rounds += 1.0;
        }
        rounds / start.elapsed().as_secs_f64()
    }

    /// Holds a rate of rounds for `span`; returns the latencies of each kind of call by name.
    pub(super) async fn hold(&mut self, rate: f64, span: Duration) -> Vec<(String, f64)> {
        let start = Instant::now();
        let mut all: [Latencies; 5] = Default::default();
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while start.elapsed() < span {
            ticks.tick().await;
            self.run_round(&mut all).await;
        }
        let mut told = BTreeMap::new();
        for (kind, latencies) in KINDS.iter().zip(&mut all) {
            for percent in [50, 99] {
                let name = format!("latency of {kind}, p{percent} [ms]");
                told.insert(name, latencies.percentile_ms(percent));
            }
        }
        told.into_iter().collect()
    }

    async fn run_round(&mut self, all: &mut [Latencies; 5]) {
        self.round += 1;
        if self.round.is_multiple_of(LIFE) {
            self.die().await;
        }
        if self.heard.elapsed() > HEARTBEAT {
            let beat = self.tasks.heartbeat(&self.worker, 0).await;
            beat.expect("a living worker is heard");
            self.heard = Instant::now();
        }
        for (kind, latencies) in all.iter_mut().enumerate() {
            let start = Instant::now();
            match kind {
                0 => self.save().await,
                1 => self.run_task().await,
                2 => self.put().await,
                3 => self.lock().await,
                _ => self.send_and_receive().await,
            }
            latencies.record(start.elapsed());
        }
    }

    /// The client and the worker vanish; a new client and a new worker come.
    async fn die(&mut self) {
        let session = calls::open(&mut self.checkpoints, "/soak").await;
        self.session = session.expect("a session is opened");
        let worker = self.tasks.register("a worker", 1).await;
        self.worker = worker.expect("a worker is registered");
        self.heard = Instant::now();
    }

    async fn save(&mut self) {
        let state =
            self.states[usize::try_from(self.round).unwrap_or(0) % self.states.len()].clone();
        let saved = calls::save(&mut self.checkpoints, &self.session, state).await;
        saved.expect("a save goes through");
    }

    async fn run_task(&mut self) {
        self.tasks
            .submit(job("a task"))
            .await
            .expect("a job is taken");
        let claim = self.tasks.claim(&self.worker, WAIT).await;
        let claim = claim.expect("tasks are given out");
        let claim = claim.expect("a task waits");
        let done = self.tasks.complete(&claim, "done").await;
        done.expect("the claim stands");
    }

    async fn put(&mut self) {
        let key = format!("soak-{}", self.round % NAMES);
        let request = put(&key, counted(self.round), None);
        self.coordination
            .put(request)
            .await
            .expect("state is taken");
    }

    async fn lock(&mut self) {
        let name = format!("soak-{}", self.round % NAMES);
        let taken = self.coordination.lock(lock(&name, "the load", TTL)).await;
        let taken = taken.expect("nobody else holds it");
        let given = self.coordination.unlock(&taken).await;
        given.expect("it was held");
    }

    async fn send_and_receive(&mut self) {
        let sent = self
            .coordination
            .send(message(&self.session.id, "hello"))
            .await;
        sent.expect("a message is taken");
        let request = inbox(&self.session.id);
        let received = self.coordination.receive(request).await;
        let received = received.expect("messages are given out");
        let request = AckMessagesRequest {
            inbox: self.session.id.clone(),
            message_ids: received.into_iter().map(|it| it.message_id).collect(),
        };
        let acked = self.coordination.bus.ack_messages(request).await;
        acked.expect("messages are acknowledged");
    }
}
