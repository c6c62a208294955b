//! From kill -9 of a worker to the start of its task elsewhere, with real processes and the default settings: the gateway of a
//! window, and a headless worker.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shim_proto::coordination::v1::{
    CancelTaskRequest, Requirements, SubmitTaskRequest, TaskState, WorkerKind,
};
use shim_redis_harness::Redis;

use crate::bench::figure::Figure;
use crate::bench::latency::Latencies;
use crate::calls::request_id;
use crate::mcp::{Gateway, GatewayLaunch, tool_output};
use crate::service::{Launch, Service};
use crate::tasks::TaskClients;
use crate::temp_env::TempEnv;

const ROUNDS: usize = 8;
const WORK: &str = "shim_worker_task";
/// By then the other window waits for a task.
const SETTLE: Duration = Duration::from_millis(300);
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Longer than the silence after which a worker is dead.
const PATIENCE: Duration = Duration::from_secs(20);
const LIMIT_MS: f64 = 500.0;

pub(super) async fn measure() -> Vec<Figure> {
    let mut figures = Vec::new();
    for (what, mut latencies) in [
        (
            "kill -9 of a window's gateway",
            windows(WindowEnd::GatewayKilled).await,
        ),
        (
            "end of a window's pipe, as its kill -9 leaves it",
            windows(WindowEnd::PipeClosed).await,
        ),
        ("kill -9 of a headless worker", headless().await),
    ] {
        let name = |which| format!("{what} to its task elsewhere, {which}");
        figures.push(Figure::new(
            name("median"),
            latencies.percentile_ms(50),
            "ms",
        ));
        let longest = Figure::new(name("longest"), latencies.percentile_ms(100), "ms");
        figures.push(longest.at_most(LIMIT_MS));
    }
    figures
}

/// How a window goes.
#[derive(Debug, Clone, Copy)]
enum WindowEnd {
    GatewayKilled,
    PipeClosed,
}

impl WindowEnd {
    async fn happen(self, mut window: Gateway) {
        match self {
            Self::GatewayKilled => window.kill().await,
            Self::PipeClosed => window.close().await,
        }
    }
}

/// Calls a tool that does what it is asked, and returns its facts.
async fn call(window: &mut Gateway, tool: &str, arguments: Value) -> Value {
    tool_output(window.call(tool, arguments).await)
}

async fn window(launch: &GatewayLaunch) -> Gateway {
    let mut window = launch.open().await;
    call(
        &mut window,
        WORK,
        json!({"action": "register", "capabilities": ["rust"]}),
    )
    .await;
    window
}

async fn windows(end: WindowEnd) -> Latencies {
    let temp = TempEnv::new();
    let _stack = Launch::own_stack(&temp.data_dir()).start_or_panic().await;
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let (mut heir, mut latencies) = (window(&launch).await, Latencies::default());
    for _ in 0..ROUNDS {
        let mut doomed = window(&launch).await;
        let job = json!({"action": "submit", "goal": "outlive a window"});
        call(&mut doomed, "shim_coordinate_task", job).await;
        let claimed = call(&mut doomed, WORK, json!({"action": "claim"})).await;
        assert!(claimed["task"].is_object(), "{claimed}");
        let claim = tokio::spawn(async move {
            let claimed = call(&mut heir, WORK, json!({"action": "claim"})).await;
            (heir, claimed, Instant::now())
        });
        tokio::time::sleep(SETTLE).await;
        let killed = Instant::now();
        let (claimed, ()) = tokio::join!(claim, end.happen(doomed));
        let (window, claimed, at) = claimed.expect("no panic");
        heir = window;
        assert!(claimed["task"].is_object(), "{claimed}");
        latencies.record(at.duration_since(killed));
        let done = json!({"action": "complete", "result": "done"});
        call(&mut heir, WORK, done).await;
    }
    latencies
}

async fn headless() -> Latencies {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let settings = temp.root().join("shim.toml");
    let text = format!(
        "[worker]
         roots = ['{project}']
         start = ['slow']
         [worker.executors.slow]
         kind = 'command'
         program = 'sleep'
         args = ['600']
         working_dir = '{project}'",
        project = temp.project().display(),
    );
    std::fs::write(&settings, text).expect("the settings can be written");
    let coordination = Launch::coordination(&temp.data_dir(), &redis.unix_url());
    let coordination = coordination.start_or_panic().await;
    let mut clients = coordination.tasks();
    let worker = |name: String| {
        let launch = Launch::worker(&temp.data_dir(), &redis.unix_url()).named(&name);
        launch.env("SHIM_CONFIG", &settings.display().to_string())
    };
    let mut doomed = worker("worker-0".to_owned()).start_or_panic().await;
    let mut latencies = Latencies::default();
    for round in 1..=ROUNDS {
        let task_id = submit(&mut clients).await;
        let first = until_running(&mut clients, &task_id, "").await;
        let heir = worker(format!("worker-{round}")).start_or_panic().await;
        tokio::time::sleep(SETTLE).await;
        let killed = Instant::now();
        kill(doomed);
        until_running(&mut clients, &task_id, &first).await;
        latencies.record(killed.elapsed());
        let cancel = CancelTaskRequest {
            request_id: request_id(),
            task_id,
            ..Default::default()
        };
        let cancelled = clients.jobs.cancel_task(cancel).await;
        cancelled.expect("a task can be cancelled");
        doomed = heir;
    }
    latencies
}

fn kill(mut service: Service) {
    service.kill();
}

async fn submit(clients: &mut TaskClients) -> String {
    let request = SubmitTaskRequest {
        request_id: request_id(),
        goal: "outlive a process".into(),
        requirements: Some(Requirements {
            executor: WorkerKind::Command.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let submitted = clients.submit(request).await.expect("a job is taken");
    submitted.task.expect("it has a task").task_id
}

/// Waits until the task runs at another worker than this one; returns whose it is.
async fn until_running(clients: &mut TaskClients, task_id: &str, not_at: &str) -> String {
    let running = async {
        loop {
            let task = clients.task(task_id).await.expect("the task is there");
            if task.state() == TaskState::Running && task.worker_id != not_at {
                return task.worker_id;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let running = tokio::time::timeout(PATIENCE, running).await;
    running.expect("the task runs in time")
}
