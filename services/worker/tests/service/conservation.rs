//! Work conservation, checked by a model: random workers and tasks, and afterwards no moment at which a worker that fits
//! waited with room for longer than the bound while a task was ready.
//!
//! The bound is 100 ms and what the machine adds by itself: a control that only sleeps measures how late it is woken, and
//! twice its worst is added, once for the worker and once for the task. A failure prints the seed; `SHIM_SEED` repeats
//! it, `SHIM_ROUNDS` runs more.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use shim_store::tasks::fits;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::chat_worker::{ChatWorker, registration};
use super::test_stack::{TestStack, job, span};

const BOUND_MS: i64 = 100;
const RUN: Duration = Duration::from_millis(3_000);
const CAPABILITIES: [&str; 3] = ["go", "rust", "sql"];
const KINDS: [WorkerKind; 3] = [WorkerKind::Chat, WorkerKind::Agent, WorkerKind::Command];

/// From when to when, in milliseconds of Unix time: the clock of Redis on this machine too.
#[derive(Debug, Clone, Copy)]
struct Period {
    from: i64,
    to: i64,
}

impl Period {
    fn overlap(self, other: Self) -> i64 {
        self.to.min(other.to) - self.from.max(other.from)
    }
}

/// A worker that waited with a free slot.
#[derive(Debug)]
struct Wait {
    kind: WorkerKind,
    capabilities: Vec<String>,
    period: Period,
}

type Waits = Arc<Mutex<Vec<Wait>>>;

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

fn some_of(random: &mut StdRng, chance: f64) -> Vec<&'static str> {
    let mut some = CAPABILITIES.to_vec();
    some.retain(|_| random.random_bool(chance));
    some
}

/// One slot of a worker: waits, works, and waits again, until the worker leaves or the run is over.
async fn run_slot(
    chat: Arc<ChatWorker>,
    gone: CancellationToken,
    waits: Waits,
    mut random: StdRng,
) {
    loop {
        let from = now_ms();
        let claimed = tokio::select! {
            claimed = chat.claim(400) => Some(claimed),
            () = gone.cancelled() => None,
        };
        let period = Period { from, to: now_ms() };
        waits.lock().unwrap().push(Wait {
            kind: chat.worker.kind(),
            capabilities: chat.worker.capabilities.clone(),
            period,
        });
        match claimed {
            None | Some(Err(_)) => return,
            Some(Ok(None)) => {}
            Some(Ok(Some(claim))) => {
                let work = Duration::from_millis(random.random_range(0..150));
                tokio::select! {
                    () = tokio::time::sleep(work) => {}
                    () = gone.cancelled() => return,
                }
                chat.complete(&claim, "done").await.unwrap();
            }
        }
    }
}

/// How late a sleeper is woken on this machine at worst.
async fn control(over: CancellationToken) -> i64 {
    let (mut worst, nap) = (0, Duration::from_millis(5));
    while !over.is_cancelled() {
        let begun = std::time::Instant::now();
        tokio::time::sleep(nap).await;
        worst = worst.max(i64::try_from((begun.elapsed() - nap).as_millis()).unwrap());
    }
    worst
}

/// A worker of its own kind, with as many seats as it has room; some leave, some die.
async fn add_worker(
    stack: &TestStack,
    random: &mut StdRng,
    over: &CancellationToken,
    waits: &Waits,
    slots: &mut JoinSet<()>,
) {
    let capacity = random.random_range(1..=3);
    let kind = KINDS[random.random_range(0..KINDS.len())];
    let request = RegisterWorkerRequest {
        kind: kind.into(),
        ..registration(&some_of(random, 0.6), capacity)
    };
    let chat = Arc::new(ChatWorker::with(stack, request).await);
    let gone = over.child_token();
    for _ in 0..capacity {
        let random = StdRng::seed_from_u64(random.random());
        slots.spawn(run_slot(chat.clone(), gone.clone(), waits.clone(), random));
    }
    let (goes, dies) = (random.random_bool(0.3), random.random_bool(0.5));
    let when = RUN.mul_f64(random.random_range(0.2..0.7));
    slots.spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(when), if goes => {
                gone.cancel();
                if dies { chat.freeze() } else { chat.deregister().await }
            }
            () = gone.cancelled() => {}
        }
    });
}

fn random_job(random: &mut StdRng) -> SubmitTaskRequest {
    let executor = if random.random_bool(0.7) {
        WorkerKind::Unspecified
    } else {
        KINDS[random.random_range(0..KINDS.len())]
    };
    let delay = random.random_bool(0.2).then(|| random.random_range(1..500));
    SubmitTaskRequest {
        requirements: Some(Requirements {
            executor: executor.into(),
            capabilities: some_of(random, 0.25)
                .iter()
                .map(|c| (*c).to_owned())
                .collect(),
        }),
        priority: random.random_range(1..=100),
        strategy: random.random_range(0..=3),
        delay: delay.and_then(span),
        ..job("modelled")
    }
}

/// When a task waited for a worker, by the log of its job.
async fn ready_periods(stack: &TestStack, task_id: &str, end: i64) -> Vec<Period> {
    let events = stack.store.tasks.events(task_id, "", 1_000).await.unwrap();
    let (mut periods, mut since) = (Vec::new(), None);
    for event in events {
        let at = event.at.unwrap();
        let at = at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000;
        match event.kind() {
            TaskEventKind::Ready | TaskEventKind::Requeued => since = Some(at),
            TaskEventKind::Started => {
                periods.extend(since.take().map(|from| Period { from, to: at }));
            }
            _ => {}
        }
    }
    periods.extend(since.map(|from| Period { from, to: end }));
    periods
}

/// Runs a random world; returns the longest time that a fitting worker and a ready task waited side by side, and what
/// the machine adds.
async fn worst_of(seed: u64) -> (i64, i64, usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let redis = Redis::start();
    let stacks = [TestStack::on(&redis).await, TestStack::on(&redis).await];
    let (over, waits) = (CancellationToken::new(), Waits::default());
    let control = tokio::spawn(control(over.clone()));
    let mut slots = JoinSet::new();
    for _ in 0..random.random_range(2..=6) {
        let stack = &stacks[random.random_range(0..2)];
        add_worker(stack, &mut random, &over, &waits, &mut slots).await;
    }
    let mut jobs = Vec::new();
    let count: u32 = random.random_range(20..=60);
    let begun = tokio::time::Instant::now();
    for _ in 0..count {
        let request = random_job(&mut random);
        let stack = &stacks[random.random_range(0..2)];
        let task = stack.submit(request).await;
        jobs.push((task.task_id, task.requirements.unwrap_or_default()));
        tokio::time::sleep(RUN.mul_f64(random.random_range(0.0..1.2)) / count).await;
    }
    tokio::time::sleep_until(begun + RUN).await;
    let end = now_ms();
    over.cancel();
    slots.join_all().await;
    let noise = control.await.unwrap() * 2;
    let waits = std::mem::take(&mut *waits.lock().unwrap());
    let (mut worst, mut started) = (0, 0);
    for (task_id, requirements) in jobs {
        for ready in ready_periods(&stacks[0], &task_id, end).await {
            started += usize::from(ready.to < end);
            let fitting = waits
                .iter()
                .filter(|wait| fits(&requirements, wait.kind, &wait.capabilities));
            let longest = fitting.map(|wait| wait.period.overlap(ready)).max();
            worst = worst.max(longest.unwrap_or(0));
        }
    }
    (worst, noise, started)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_worker_that_fits_waits_while_a_task_is_ready() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let first = number("SHIM_SEED").unwrap_or_else(rand::random);
    for seed in (0..number("SHIM_ROUNDS").unwrap_or(4)).map(|n| first.wrapping_add(n)) {
        let (worst, noise, started) = worst_of(seed).await;
        eprintln!(
            "seed {seed}: {started} starts, worst wait side by side {worst} ms, noise {noise} ms"
        );
        assert!(started > 0, "seed {seed}: no worker did anything");
        assert!(
            worst <= BOUND_MS + noise,
            "SHIM_SEED={seed}: {worst} ms is more than {BOUND_MS} ms and {noise} ms of noise"
        );
    }
}
