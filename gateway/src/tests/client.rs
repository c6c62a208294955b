//! A client that speaks raw JSON lines, and the stage it plays on.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::ProcessIdentity;
use shim_runtime::client::Endpoint;
use shim_runtime::config::{Config as RuntimeConfig, Settings};
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::process;
use tempfile::TempDir;
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::task::JoinHandle;

use super::fake_checkpoint::FakeCheckpoint;
use super::fake_coordination::FakeCoordination;
use crate::GatewayError;
use crate::config::{ClientContext, Config};
use crate::gateway::Gateway;

/// The services and a project folder; gateways come and go.
pub(super) struct TestEnv {
    pub(super) service: FakeCheckpoint,
    /// Not there unless a story is about it.
    coordination: Option<FakeCoordination>,
    /// Whether the coordination service gives out tasks, too.
    has_worker_service: bool,
    pub(super) folder: TempDir,
}

impl TestEnv {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            service: FakeCheckpoint::start(folder.path()),
            coordination: None,
            has_worker_service: true,
            folder,
        }
    }

    /// With a coordination service.
    pub(super) fn with_coordination() -> Self {
        let env = Self::new();
        Self {
            coordination: Some(FakeCoordination::start(env.folder.path())),
            ..env
        }
    }

    /// With a coordination service, and without a worker service.
    pub(super) fn without_worker_service() -> Self {
        Self {
            has_worker_service: false,
            ..Self::with_coordination()
        }
    }

    pub(super) fn coordination(&self) -> &FakeCoordination {
        self.coordination.as_ref().unwrap()
    }

    pub(super) fn kill_coordination(&mut self) {
        self.coordination.as_mut().unwrap().kill();
    }

    /// The project as the service knows it.
    pub(super) fn project(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// A gateway for the service, with nobody connected yet.
    pub(super) fn gateway(&self) -> Arc<Gateway> {
        // The test itself plays the living client.
        self.gateway_for(Some(process::own()))
    }

    /// A gateway that `client` started.
    pub(super) fn gateway_for(&self, client: Option<ProcessIdentity>) -> Arc<Gateway> {
        let endpoint = |socket: &Path| Endpoint::Unix(socket.to_path_buf());
        let mut runtime = RuntimeConfig::read(&mut Settings::default());
        runtime.endpoints.checkpoint = Some(endpoint(&self.service.socket));
        let coordination = self.coordination.as_ref();
        runtime.endpoints.coordination = coordination.map(|service| endpoint(&service.socket));
        let coordination = runtime.endpoints.coordination.clone();
        runtime.endpoints.worker = coordination.filter(|_| self.has_worker_service);
        let config = Config {
            project: Some(self.folder.path().to_path_buf()),
        };
        let client_context = ClientContext::read(config, |_| None, client);
        Gateway::prepare(&runtime, client_context, &Shutdown::new()).unwrap()
    }

    /// A client of its own gateway.
    pub(super) fn client(&self) -> Client {
        Client::of(self.gateway())
    }

    /// A client that has said hello in the present era.
    pub(super) async fn connected(&self) -> Client {
        let mut client = self.client();
        client.initialize().await;
        client
    }
}

/// One connection.
pub(super) struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    input: Option<WriteHalf<DuplexStream>>,
    serving: JoinHandle<Result<(), GatewayError>>,
    next_id: u64,
}

impl Client {
    pub(super) fn of(gateway: Arc<Gateway>) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let serving = tokio::spawn(crate::connection::serve(
            gateway,
            tokio::io::split(theirs),
            Shutdown::new(),
        ));
        let (output, input) = tokio::io::split(ours);
        Self {
            lines: BufReader::new(output).lines(),
            input: Some(input),
            serving,
            next_id: 0,
        }
    }

    pub(super) async fn initialize(&mut self) -> Value {
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "story", "version": "1"},
        });
        let answer = self.request("initialize", hello).await;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        answer["result"].clone()
    }

    pub(super) async fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().unwrap();
        input
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
    }

    /// Asks and waits for the answer.
    pub(super) async fn request(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
        loop {
            let line = self
                .lines
                .next_line()
                .await
                .unwrap()
                .expect("the gateway closed the connection");
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                return answer;
            }
        }
    }

    /// Calls a tool, whatever it answers.
    pub(super) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self
            .request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await;
        assert!(
            answer["error"].is_null(),
            "a tool's trouble is an answer, not a JSON-RPC error: {answer}"
        );
        answer["result"].clone()
    }

    /// Calls a tool that does what it is asked; returns its structured content.
    pub(super) async fn call_ok(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], false, "{result}");
        result["structuredContent"].clone()
    }

    /// Calls a tool that refuses; returns the error and its text.
    pub(super) async fn call_refused(&mut self, tool: &str, arguments: Value) -> (Value, String) {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        (result["structuredContent"]["error"].clone(), text)
    }

    pub(super) async fn save(&mut self, task: &str) -> Value {
        self.call_ok(
            "shim_auto_checkpoint",
            json!({"current_task": task, "progress": 0.5}),
        )
        .await
    }

    /// Closes the input and waits for the gateway to leave.
    pub(super) async fn close(mut self) {
        let mut input = self.input.take().unwrap();
        input.shutdown().await.unwrap();
        drop(input);
        self.serving.await.unwrap().unwrap();
    }
}
