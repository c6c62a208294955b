//! Every service in a process of its own, each killed in its turn: the six tools answer again, what was acknowledged is
//! still there, and every job ends.

mod readiness;
mod test_stack;
mod web;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use shim_proto::coordination::v1::{Task, TaskState};
use shim_tests::calls;
use shim_tests::rng::SeededRng;

use self::test_stack::{PROCESSES, StackProcess, TestStack};

/// From the restart of what was killed until a tool answers, with much to spare for a busy machine.
const HEAL_WITHIN: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const JOB_PARTS: usize = 3;

/// What the services acknowledged so far.
#[derive(Default)]
struct AckedWork {
    /// Checkpoints, by id, and the task each was saved with.
    saved: Vec<(String, String)>,
    /// Jobs, by id.
    jobs: Vec<String>,
}

struct Story {
    stack: TestStack,
    acked: AckedWork,
    saves: usize,
    /// The session that the window saves to.
    session: Value,
}

impl Story {
    /// Asks until a tool does as it is told.
    async fn get(&mut self, by: StackProcess, tool: &str, arguments: Value) -> Value {
        let deadline = Instant::now() + HEAL_WITHIN;
        loop {
            if let Some(facts) = self.stack.call(by, tool, &arguments).await {
                return facts;
            }
            assert!(Instant::now() < deadline, "{by:?}: {tool} does not heal");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn next_task(&mut self) -> String {
        self.saves += 1;
        format!("task {}", self.saves)
    }

    fn record(&mut self, by: StackProcess, task: String, facts: &Value) {
        if by == StackProcess::Window {
            self.session = facts["session_id"].clone();
        }
        let id = facts["checkpoint"]["checkpoint_id"].as_str().unwrap();
        self.acked.saved.push((id.to_owned(), task));
    }

    async fn save(&mut self, by: StackProcess) {
        let task = self.next_task();
        let state = json!({"current_task": task, "progress": 0.5, "next_steps": ["go on"]});
        let facts = self.get(by, "shim_auto_checkpoint", state).await;
        self.record(by, task, &facts);
    }

    /// Saves once, as a client that does not know that something is down. A save that is not acknowledged promises nothing.
    async fn try_to_save(&mut self, by: StackProcess) {
        let task = self.next_task();
        let state = json!({"current_task": task, "progress": 0.5, "next_steps": ["go on"]});
        let answer = self.stack.call(by, "shim_auto_checkpoint", &state).await;
        if let Some(facts) = answer {
            self.record(by, task, &facts);
        }
    }

    /// Gives the workers a job that outlives the next kill.
    async fn submit(&mut self, by: StackProcess) {
        let parts = (0..JOB_PARTS).map(
            |n| json!({"id": format!("part-{n}"), "goal": "count", "executor": "command", "files": []}),
        );
        let job = json!({"action": "submit", "goal": "count it all", "subtasks": parts.collect::<Vec<_>>()});
        let facts = self.get(by, "shim_coordinate_task", job).await;
        let id = facts["task"]["task_id"].as_str().unwrap();
        self.acked.jobs.push(id.to_owned());
    }

    /// One window gives a task, the other does it.
    async fn pass_a_task(&mut self, from: StackProcess, to: StackProcess) {
        let job = json!({"action": "submit", "goal": "think", "split": "never"});
        let facts = self.get(from, "shim_coordinate_task", job).await;
        let id = facts["task"]["task_id"].as_str().unwrap().to_owned();
        self.acked.jobs.push(id.clone());
        loop {
            let claim = json!({"action": "claim"});
            let claimed = self.get(to, "shim_worker_task", claim).await;
            if !claimed["task"].is_object() {
                continue;
            }
            let result = json!({
                "action": "complete", "result": "thought",
                "task_id": claimed["task"]["task_id"], "lease": claimed["lease"],
            });
            self.get(to, "shim_worker_task", result).await;
            if claimed["task"]["task_id"] == json!(id) {
                return;
            }
        }
    }

    /// Each of the six tools, through both gateways.
    async fn all_tools_answer(&mut self) {
        for (one, other) in [
            (StackProcess::Window, StackProcess::WebGateway),
            (StackProcess::WebGateway, StackProcess::Window),
        ] {
            self.save(one).await;
            let signals = json!({"estimated_tokens": 1000});
            self.get(one, "shim_monitor_signals", signals).await;
            let detect = json!({"action": "detect"});
            self.get(one, "shim_check_recovery", detect).await;
            for view in ["session", "tasks", "workers"] {
                let look = json!({"view": view});
                self.get(one, "shim_session_status", look).await;
            }
            self.pass_a_task(one, other).await;
        }
    }

    /// A client that is started anew finds what its forerunner left, and goes on with it. That is at once, or when the
    /// lease has ended if the gateway had just lost its stream.
    async fn recover(&mut self, by: StackProcess) {
        let left = self.session.clone();
        let deadline = Instant::now() + HEAL_WITHIN;
        loop {
            let detect = json!({"action": "detect"});
            let found = self.get(by, "shim_check_recovery", detect).await;
            let candidates = found["candidates"].as_array().unwrap();
            if candidates.iter().any(|one| one["session_id"] == left) {
                break;
            }
            assert!(Instant::now() < deadline, "{left} is not found: {found}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let restore = json!({"action": "restore", "session_id": left});
        let restored = self.get(by, "shim_check_recovery", restore).await;
        assert_eq!(restored["session_id"], left, "{restored}");
    }

    async fn kill_and_heal(&mut self, process: StackProcess, rng: &mut SeededRng) {
        let (user, other) = if process == StackProcess::Window {
            (StackProcess::WebGateway, StackProcess::Window)
        } else {
            (StackProcess::Window, StackProcess::WebGateway)
        };
        self.save(user).await;
        self.save(other).await;
        self.submit(user).await;
        tokio::time::sleep(rng.micros(0..400_000)).await;
        self.stack.kill(process).await;
        self.try_to_save(user).await;
        self.stack.restart(process).await;
        let restarted = Instant::now();
        if process == StackProcess::Window {
            self.recover(process).await;
            eprintln!("recovered {:?} later", restarted.elapsed());
        }
        self.all_tools_answer().await;
        eprintln!(
            "{process:?}: all tools answered {:?} later",
            restarted.elapsed()
        );
    }

    /// Nothing acknowledged is lost.
    async fn assert_nothing_lost(&mut self) {
        let mut checkpoints = self.stack.checkpoint.client();
        for (id, task) in &self.acked.saved {
            let state = calls::content(&mut checkpoints, id).await.unwrap();
            assert_eq!(&state.current_task, task);
        }
        for (n, job) in self.acked.jobs.iter().enumerate() {
            let mut tasks = self.stack.coordination[n % 2].tasks();
            let waiting = tokio::time::timeout(HEAL_WITHIN, tasks.wait_for_end(job));
            let ended: Task = waiting.await.expect("every job ends").unwrap();
            assert_eq!(ended.state(), TaskState::Completed, "{ended:?}");
            let counted = ended.subtasks.unwrap_or_default();
            assert_eq!(counted.completed, counted.total, "{ended:?}");
        }
        let (saves, jobs) = (self.acked.saved.len(), self.acked.jobs.len());
        eprintln!("{saves} saves and {jobs} jobs are all there");
    }
}

/// In an order of chance.
fn shuffled(rng: &mut SeededRng) -> Vec<StackProcess> {
    let mut left = PROCESSES.to_vec();
    let mut order = Vec::new();
    while !left.is_empty() {
        let process = *rng.pick(&left);
        left.retain(|other| *other != process);
        order.push(process);
    }
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_heals_and_loses_nothing() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let given = std::env::var("TOPOLOGY_SEED").ok();
    let seed = given.map_or(u64::from(now.subsec_nanos()), |seed| seed.parse().unwrap());
    eprintln!("TOPOLOGY_SEED={seed}");
    let mut rng = SeededRng::new(seed);
    let mut story = Story {
        stack: TestStack::new().await,
        acked: AckedWork::default(),
        saves: 0,
        session: Value::Null,
    };
    story.all_tools_answer().await;
    for process in shuffled(&mut rng) {
        story.kill_and_heal(process, &mut rng).await;
    }
    story.assert_nothing_lost().await;
}
