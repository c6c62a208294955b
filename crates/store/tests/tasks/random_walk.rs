//! Everything at once, in any order: several processes submit, claim, end, call off, take up again and bury, and die in
//! the middle of it. Whatever happens, every job ends, nothing is completed twice, and nothing is left.
//!
//! `SHIM_SEED` repeats a walk, `SHIM_STEPS` and `SHIM_WALKS` make it longer.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use shim_proto::coordination::v1::{
    ApprovalGates, FailurePolicy, Task, TaskError, TaskState, Usage,
};
use shim_runtime::ids::Epoch;
use shim_store::tasks::{Claimed, ProgressReport, Submission, WorkerGone};
use shim_store::{Error, Store};
use tokio::sync::mpsc;

use super::invariants;
use super::process::Process;
use super::test_store::{TestStore, claimer, once, patient, plan, result, task, worker_id};

const PROCESSES: usize = 3;
const WORKERS: u64 = 5;
const WORKSPACE: &str = "w";
const FILES: [&str; 4] = ["a/**", "a/x", "b/*", "c"];

struct Walk {
    rng: StdRng,
    url: String,
    processes: Vec<Process>,
    /// Every task there is.
    ids: Vec<String>,
    /// What workers think they have; some of it they lost.
    owned: Vec<Claimed>,
    claims: (
        mpsc::UnboundedSender<Claimed>,
        mpsc::UnboundedReceiver<Claimed>,
    ),
    epochs: Vec<u64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_every_job_ends_and_nothing_is_left() {
    for walk in 0..number("SHIM_WALKS", 2) {
        let seed = number("SHIM_SEED", rand::random::<u32>().into()) + walk;
        eprintln!("SHIM_SEED={seed}");
        let mut env = TestStore::lasting().await;
        let mut walk = Walk::new(seed, &env.redis.unix_url()).await;
        for step in 0..number("SHIM_STEPS", 400) {
            walk.step().await;
            if walk.rng.random_bool(0.003) {
                // Killed and started again, in the middle of whatever goes on.
                env.restart_redis().await;
            }
            if step % 100 == 99 {
                invariants::assert_hold(&env.store).await;
            }
        }
        walk.end(&env.store).await;
        invariants::assert_hold(&env.store).await;
        invariants::assert_quiet(&env.store, &[WORKSPACE]).await;
    }
}

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().unwrap())
}

impl Walk {
    async fn new(seed: u64, url: &str) -> Self {
        let mut processes = Vec::new();
        for _ in 0..PROCESSES {
            processes.push(Process::start(url).await);
        }
        Self {
            rng: StdRng::seed_from_u64(seed),
            url: url.to_owned(),
            processes,
            ids: Vec::new(),
            owned: Vec::new(),
            claims: mpsc::unbounded_channel(),
            epochs: vec![1; usize::try_from(WORKERS).unwrap()],
        }
    }

    fn some_process(&mut self) -> usize {
        self.rng.random_range(0..self.processes.len())
    }

    fn store(&mut self) -> (usize, Store) {
        let index = self.some_process();
        (index, self.processes[index].store.clone())
    }

    async fn step(&mut self) {
        while let Ok(claimed) = self.claims.1.try_recv() {
            self.owned.push(claimed);
        }
        match self.rng.random_range(0..100) {
            0..18 => self.submit().await,
            18..45 => self.claim().await,
            45..75 => self.report().await,
            75..80 => self.decide_on_any().await,
            80..84 => self.release_worker_tasks().await,
            84..86 => self.kill().await,
            _ => {
                let (index, store) = self.store();
                let swept = async move { store.tasks.sweep(&patient()).await };
                // Redis may be away.
                let _ = self.processes[index].run(swept).await;
            }
        }
    }

    /// Does it, or begins it and lets it end when it does; a process may die meanwhile.
    async fn do_it<T: Send + 'static>(
        &mut self,
        index: usize,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) {
        if self.rng.random_bool(0.2) {
            self.processes[index].begin(work);
        } else {
            let _ = self.processes[index].run(work).await;
        }
    }

    async fn submit(&mut self) {
        let plan = self.some_plan();
        let tasks = std::iter::once(&plan.root).chain(&plan.subtasks);
        self.ids.extend(tasks.map(|task| task.task_id.clone()));
        let (index, store) = self.store();
        let submitted = async move { store.tasks.submit(&once(), &plan).await };
        self.do_it(index, submitted).await;
    }

    fn some_plan(&mut self) -> Submission {
        let mut root = self.some_task("job");
        let count = [0, 0, 1, 3, 6].choose(&mut self.rng).copied().unwrap();
        let mut parts: Vec<Task> = Vec::new();
        for index in 0..count {
            let mut part = self.some_task("part");
            part.root_id.clone_from(&root.task_id);
            let before = parts.iter().map(|part| part.task_id.clone());
            part.depends_on = before.filter(|_| self.rng.random_bool(0.3)).collect();
            part.key = index.to_string();
            parts.push(part);
        }
        if count > 0 {
            root.files.clear();
            root.approval = Some(ApprovalGates {
                before_start: false,
                before_result: self.rng.random_bool(0.1),
            });
        }
        root.on_failure = [FailurePolicy::FailFast, FailurePolicy::Continue]
            .choose(&mut self.rng)
            .map_or(0, |policy| (*policy).into());
        let mut plan = plan(root, parts);
        if self.rng.random_bool(0.1) {
            plan.delay = Duration::from_millis(self.rng.random_range(1..30));
        }
        plan.backoff = Duration::from_millis(self.rng.random_range(1..20));
        plan
    }

    fn some_task(&mut self, goal: &str) -> Task {
        let mut task = task(goal);
        task.priority = self.rng.random_range(1..4);
        task.max_attempts = self.rng.random_range(1..4);
        task.workspace = WORKSPACE.to_owned();
        if self.rng.random_bool(0.3) {
            let files = FILES.iter().filter(|_| self.rng.random_bool(0.4));
            task.files = files.map(|file| (*file).to_owned()).collect();
        }
        task.approval = Some(ApprovalGates {
            before_start: self.rng.random_bool(0.05),
            before_result: self.rng.random_bool(0.05),
        });
        task
    }

    async fn claim(&mut self) {
        let worker = self.rng.random_range(0..WORKERS);
        let mut claimer = claimer(&format!("worker-{worker}"));
        claimer.epoch = Epoch(self.epochs[usize::try_from(worker).unwrap()]);
        claimer.idempotency_key = self.rng.random_bool(0.5).then(once);
        let (index, store) = self.store();
        let got = self.claims.0.clone();
        let claimed = async move {
            if let Some(claimed) = store.tasks.take("work", &claimer).await? {
                let _ = got.send(claimed);
            }
            Ok(())
        };
        self.do_it(index, claimed).await;
    }

    /// A worker says something of what it has, or had.
    async fn report(&mut self) {
        if self.owned.is_empty() {
            return;
        }
        let which = self.rng.random_range(0..self.owned.len());
        let claimed = self.owned[which].clone();
        let (what, is_final) = (self.rng.random_range(0..10), self.rng.random_bool(0.3));
        let progress = self.rng.random_range(0.0..1.0);
        if what > 1 && self.rng.random_bool(0.9) {
            // Else it says so once more, later.
            self.owned.swap_remove(which);
        }
        let (index, store) = self.store();
        let said = async move {
            let (id, lease) = (claimed.task.task_id.as_str(), claimed.lease);
            let (once, usage) = (once(), Usage::default());
            match what {
                0..2 => {
                    let report = ProgressReport {
                        progress,
                        ..ProgressReport::default()
                    };
                    store.tasks.report(id, lease, &report).await
                }
                2..7 => {
                    let done = result("done");
                    store.tasks.complete(&once, id, lease, &done, &usage).await
                }
                7..9 => {
                    let error = TaskError::default();
                    let failed = store.tasks.fail(&once, id, lease, &error, is_final, &usage);
                    failed.await
                }
                _ => store.tasks.release(&once, id, lease, "").await,
            }
        };
        self.do_it(index, said).await;
    }

    /// People decide on any task at all.
    async fn decide_on_any(&mut self) {
        let Some(id) = self.ids.choose(&mut self.rng).cloned() else {
            return;
        };
        let what = self.rng.random_range(0..4);
        let (index, store) = self.store();
        let decided = async move {
            let once = once();
            match what {
                0 => store.tasks.cancel(&once, &id, "").await.map(drop),
                1 | 2 => store.tasks.retry(&once, &id).await.map(drop),
                _ => store
                    .tasks
                    .approve(&once, &id, id.len() % 2 == 0, "")
                    .await
                    .map(drop),
            }
        };
        self.do_it(index, decided).await;
    }

    async fn release_worker_tasks(&mut self) {
        let worker = self.rng.random_range(0..WORKERS);
        let epoch = &mut self.epochs[usize::try_from(worker).unwrap()];
        let worker_gone = WorkerGone {
            worker_id: worker_id(&format!("worker-{worker}")),
            epoch: Epoch(*epoch),
            why: "its worker died".to_owned(),
            died: self.rng.random_bool(0.5),
            known_at: None,
        };
        *epoch += 1;
        let (index, store) = self.store();
        self.do_it(index, async move {
            store.tasks.release_worker_tasks(&worker_gone).await
        })
        .await;
    }

    /// A process dies in the middle of whatever it does.
    async fn kill(&mut self) {
        let index = self.some_process();
        self.processes[index] = Process::start(&self.url).await;
    }

    /// People and workers do all that is left to do.
    async fn end(&mut self, store: &Store) {
        for process in &mut self.processes {
            *process = Process::start(&self.url).await;
        }
        for worker in 0..WORKERS {
            let worker_gone = WorkerGone {
                worker_id: worker_id(&format!("worker-{worker}")),
                epoch: Epoch(1 << 53),
                why: "its worker left".to_owned(),
                died: false,
                known_at: None,
            };
            while store
                .tasks
                .release_worker_tasks(&worker_gone)
                .await
                .is_err()
            {}
        }
        let start = std::time::Instant::now();
        loop {
            store.tasks.sweep(&patient()).await.unwrap();
            let mut is_left = store.tasks.health().await.unwrap().outbox > 0;
            while let Some(claimed) = store.tasks.take("work", &claimer("last")).await.unwrap() {
                let (once, done, usage) = (once(), result("done"), Usage::default());
                let (id, lease) = (&claimed.task.task_id, claimed.lease);
                let done = store.tasks.complete(&once, id, lease, &done, &usage);
                done.await.unwrap();
            }
            for job in invariants::jobs(store).await {
                is_left |= !invariants::is_over(&job.root);
                for task in std::iter::once(&job.root).chain(&job.subtasks) {
                    if task.state() == TaskState::AwaitingApproval {
                        let _ = store.tasks.approve(&once(), &task.task_id, false, "").await;
                    }
                }
            }
            if !is_left {
                return;
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{:#?}",
                invariants::jobs(store).await
            );
        }
    }
}
