//! Every service is a process of its own and exports to one collector; a program works until the test releases it.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use shim_proto::coordination::v1::{Task, TaskState};
use shim_redis_harness::Redis;
use shim_tests::mcp::{Gateway, GatewayLaunch, tool_output};
use shim_tests::service::{Launch, Service};
use shim_tests::tasks::TaskClients;
use shim_tests::temp_env::TempEnv;

use super::collector::Collector;

/// Prints a line, so that a checkpoint is saved, and prints its position in the trace when it is released.
const PROGRAM: &str =
    "read -r task; echo begun; while [ ! -e go ]; do sleep 0.02; done; echo $TRACEPARENT";
/// The limit of a wait, in polls.
const MAX_POLLS: usize = 1_000;
const POLL_INTERVAL: Duration = Duration::from_millis(30);

pub(super) struct TestStack {
    pub(super) collector: Collector,
    pub(super) redis: Redis,
    pub(super) coordination: Service,
    pub(super) checkpoint: Service,
    temp: TempEnv,
}

impl TestStack {
    pub(super) async fn new() -> Self {
        let (collector, temp, redis) = (Collector::start().await, TempEnv::new(), Redis::start());
        let observed = |launch| with_collector(launch, &collector);
        let data = temp.data_dir();
        let coordination = observed(Launch::coordination(&data, &redis.url()))
            .env("SHIM_REGISTRY_HEARTBEAT", "250ms")
            .env("SHIM_REGISTRY_DEAD_AFTER", "1s");
        let checkpoint = observed(Launch::checkpoint(&data));
        Self {
            coordination: coordination.start_or_panic().await,
            checkpoint: checkpoint.start_or_panic().await,
            collector,
            redis,
            temp,
        }
    }

    /// A process with one worker that runs the program.
    pub(super) async fn worker(&self, name: &str) -> Service {
        let file = self.temp.one_program("wait", PROGRAM);
        let launch = Launch::worker(&self.temp.data_dir(), &self.redis.url())
            .named(name)
            .env("SHIM_CONFIG", &file.display().to_string())
            .env("SHIM_REGISTRY_HEARTBEAT", "250ms")
            .env("SHIM_REGISTRY_DEAD_AFTER", "1s")
            .env("SHIM_ENDPOINTS_CHECKPOINT", &endpoint(&self.checkpoint));
        with_collector(launch, &self.collector)
            .start_or_panic()
            .await
    }

    /// A Claude window on these services, without a worker service.
    pub(super) async fn window(&self) -> Gateway {
        GatewayLaunch::new(&self.temp.data_dir(), &self.temp.project())
            .with_service(self.checkpoint.socket())
            .with_env("SHIM_ENDPOINTS_COORDINATION", &endpoint(&self.coordination))
            .with_env("SHIM_ENDPOINTS_WORKER", &endpoint(&self.coordination))
            .with_env("SHIM_OTLP_ENDPOINT", self.collector.endpoint())
            .open()
            .await
    }

    /// Releases the programs, which then end.
    pub(super) fn release_programs(&self) {
        std::fs::write(self.go_file(), "").unwrap();
    }

    fn go_file(&self) -> PathBuf {
        self.temp.project().join("go")
    }

    /// Stops the services in good order: each sends its last spans before it ends.
    pub(super) fn stop(&mut self) {
        self.coordination.stop();
        self.checkpoint.stop();
    }

    pub(super) fn tasks(&self) -> TaskClients {
        self.coordination.tasks()
    }

    /// Waits until a task satisfies `is`.
    pub(super) async fn wait_for_task(&self, id: &str, is: impl Fn(&Task) -> bool) -> Task {
        let mut tasks = self.tasks();
        let mut last = Task::default();
        for _ in 0..MAX_POLLS {
            last = tasks.task(id).await.unwrap();
            if is(&last) {
                return last;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        panic!("the task stays {last:?}");
    }

    /// Waits until a worker runs a task and has saved a checkpoint of it.
    pub(super) async fn wait_until_saved(&self, id: &str) -> Task {
        let is_saved =
            |task: &Task| task.state() == TaskState::Running && !task.checkpoint_id.is_empty();
        self.wait_for_task(id, is_saved).await
    }
}

/// Exports to a collector and logs errors alone: a log filter must not cut a trace.
pub(super) fn with_collector(launch: Launch, collector: &Collector) -> Launch {
    launch
        .env("SHIM_OTLP_ENDPOINT", collector.endpoint())
        .env("SHIM_LOG_FILTER", "error")
}

fn endpoint(service: &Service) -> String {
    format!("unix:{}", service.socket().display())
}

/// Calls the tool of jobs as a client with a trace.
pub(super) async fn call(window: &mut Gateway, arguments: Value, traceparent: &str) -> Value {
    let params = json!({
        "name": "shim_coordinate_task",
        "arguments": arguments,
        "_meta": {"traceparent": traceparent},
    });
    tool_output(window.request("tools/call", params).await.unwrap())
}

/// Submits a job of one part for the program, and returns the part's id and the job's.
pub(super) async fn submit(window: &mut Gateway, traceparent: &str) -> (String, String) {
    let part = json!({"id": "only", "goal": "wait until it may end", "executor": "command"});
    let job = json!({"action": "submit", "goal": "one thing", "subtasks": [part]});
    let submitted = call(window, job, traceparent).await;
    let id = |task: &Value| task["task_id"].as_str().unwrap().to_owned();
    (id(&submitted["subtasks"][0]), id(&submitted["task"]))
}
