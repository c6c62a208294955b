//! A stack for a team, and the windows in it: each a client of its own with a gateway of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use shim_proto::coordination::v1::ListFilesRequest;
use shim_redis_harness::Redis;
use shim_tests::mcp::{self, Gateway, GatewayLaunch};
use shim_tests::python::SdkClient;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;

/// Submits, waits, gathers.
pub(super) const COORDINATE: &str = "shim_coordinate_task";
/// Claims and reports.
pub(super) const WORK: &str = "shim_worker_task";
/// Calls of 25 s each, while a job takes a few.
const WAITS: usize = 10;
/// For what comes a moment later, some seconds in all.
const MAX_POLLS: usize = 100;
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The stack, and where its windows work.
pub(super) struct TestStack {
    pub(super) temp: TempEnv,
    pub(super) service: Service,
    _redis: Redis,
}

impl TestStack {
    /// A stack that takes a worker for dead after a second, with what else is configured in `settings`.
    pub(super) async fn new(settings: impl FnOnce(&TempEnv) -> String) -> Self {
        Self::with_silence("250ms", "1s", settings).await
    }

    /// A stack that takes no worker for dead for its silence while a story lasts.
    pub(super) async fn patient() -> Self {
        Self::with_silence("10s", "1h", |_| String::new()).await
    }

    async fn with_silence(
        heartbeat: &str,
        dead_after: &str,
        settings: impl FnOnce(&TempEnv) -> String,
    ) -> Self {
        let temp = TempEnv::new();
        let redis = Redis::start();
        let file = temp.root().join("shim.toml");
        std::fs::write(&file, settings(&temp)).unwrap();
        let stack = Launch::stack(&temp.data_dir(), &redis.url())
            .env("SHIM_CONFIG", &file.display().to_string())
            .env("SHIM_REGISTRY_HEARTBEAT", heartbeat)
            .env("SHIM_REGISTRY_DEAD_AFTER", dead_after);
        Self {
            service: stack.start_or_panic().await,
            temp,
            _redis: redis,
        }
    }

    fn launch(&self) -> GatewayLaunch {
        GatewayLaunch::new(&self.temp.data_dir(), &self.temp.project())
    }

    /// A window that this harness plays.
    pub(super) async fn window(&self) -> Window {
        Window::Harness(self.launch().open().await)
    }

    /// A window that the MCP Python SDK plays, in one era of the protocol.
    pub(super) async fn sdk_window(&self, mode: &str) -> Window {
        Window::Sdk(SdkClient::open(&self.launch(), mode).await)
    }

    /// Waits until exactly these hold files of a workspace: what a task had is given back a moment after its end.
    pub(super) async fn files_are_held_by(&self, workspace: &str, expected: &[&str]) {
        let request = ListFilesRequest {
            workspace: workspace.into(),
            ..Default::default()
        };
        let mut locks = self.service.coordination().locks;
        let expected: BTreeSet<_> = expected.iter().map(ToString::to_string).collect();
        let mut found = BTreeSet::new();
        for _ in 0..MAX_POLLS {
            let listed = locks.list_files(request.clone()).await.unwrap();
            let leases = listed.into_inner().leases.into_iter();
            found = leases.map(|lease| lease.holder).collect();
            if found == expected {
                return;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        panic!("files are held by {found:?} instead of {expected:?}");
    }
}

/// A conversation with tools.
pub(super) enum Window {
    Harness(Gateway),
    Sdk(SdkClient),
}

impl Window {
    /// Calls a tool and returns its answer, which may be a refusal.
    pub(super) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        match self {
            Self::Harness(gateway) => gateway.call(tool, arguments).await,
            Self::Sdk(client) => client.call(tool, arguments).await,
        }
    }

    /// Calls a tool that does what it is asked, and returns its facts.
    pub(super) async fn get(&mut self, tool: &str, arguments: Value) -> Value {
        mcp::tool_output(self.call(tool, arguments).await)
    }

    /// Claims a task, which must come in time.
    pub(super) async fn claim(&mut self) -> Value {
        let claimed = self.get(WORK, json!({"action": "claim"})).await;
        assert!(claimed["task"].is_object(), "no task came: {claimed}");
        claimed
    }

    /// Ends the task it has.
    pub(super) async fn complete(&mut self, result: &str, data: Value) -> Value {
        let report = json!({"action": "complete", "result": result, "data": data});
        self.get(WORK, report).await
    }

    /// Waits until a job has ended. Returns all that was told of it, and every notice that came meanwhile.
    pub(super) async fn wait_for_end(&mut self, task_id: &str) -> (Vec<Value>, Vec<Value>) {
        let (mut events, mut notices) = (Vec::new(), Vec::new());
        let mut cursor = String::new();
        for _ in 0..WAITS {
            let mut wait = json!({"action": "wait", "task_id": task_id});
            if !cursor.is_empty() {
                wait["cursor"] = json!(cursor);
            }
            let answer = self.get(COORDINATE, wait).await;
            events.extend(answer["events"].as_array().unwrap().clone());
            let news = answer["notices"].as_array().into_iter().flatten();
            notices.extend(news.cloned());
            if answer["ended"] == json!(true) {
                return (events, notices);
            }
            answer["cursor"].as_str().unwrap().clone_into(&mut cursor);
        }
        panic!("{task_id} did not end: {events:#?}");
    }

    /// The first notice of a task, among those that came or with one of the next calls.
    pub(super) async fn task_notice(&mut self, mut notices: Vec<Value>) -> Value {
        for _ in 0..MAX_POLLS {
            if let Some(found) = notices.iter().find(|notice| notice["kind"] == "task") {
                return found.clone();
            }
            tokio::time::sleep(POLL_INTERVAL).await;
            let looked = self.get("shim_session_status", json!({})).await;
            let news = looked["notices"].as_array().into_iter().flatten();
            notices.extend(news.cloned());
        }
        panic!("no message came of a task: {notices:?}");
    }

    /// Its gateway's process, if this harness started it.
    fn gateway(&mut self) -> &mut Gateway {
        match self {
            Self::Harness(gateway) => gateway,
            Self::Sdk(_) => panic!("the SDK owns its gateway"),
        }
    }

    /// Ends its gateway with SIGKILL.
    pub(super) async fn kill(mut self) {
        self.gateway().kill().await;
    }

    /// Stops its gateway's time.
    pub(super) fn freeze(&mut self) {
        self.gateway().freeze();
    }

    /// Lets it go on.
    pub(super) fn thaw(&mut self) {
        self.gateway().thaw();
    }

    /// Quits in good order.
    pub(super) async fn close(self) {
        match self {
            Self::Harness(gateway) => gateway.close().await,
            Self::Sdk(client) => client.close().await,
        }
    }
}
