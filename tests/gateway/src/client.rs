//! A client that speaks raw JSON lines over a pipe.

use serde_json::{Value, json};
use shim_gateway::{EmbeddedGateway, GatewayError};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::task::JoinHandle;

/// One connection.
pub struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    input: Option<WriteHalf<DuplexStream>>,
    serving: JoinHandle<Result<(), GatewayError>>,
    next_id: u64,
}

#[expect(
    clippy::missing_panics_doc,
    reason = "a client that fails ends its story"
)]
impl Client {
    /// The client of this gateway; nothing is said yet.
    #[must_use]
    pub fn of(gateway: EmbeddedGateway) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let serving = tokio::spawn(gateway.serve(theirs));
        let (output, input) = tokio::io::split(ours);
        Self {
            lines: BufReader::new(output).lines(),
            input: Some(input),
            serving,
            next_id: 0,
        }
    }

    /// Says hello in the present era; returns what the gateway says of itself.
    pub async fn initialize(&mut self) -> Value {
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

    /// Sends a message as it is.
    pub async fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().unwrap();
        input
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
    }

    /// Asks and waits for the answer.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
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

    /// Calls a tool; its answer may be a refusal.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
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
    pub async fn call_ok(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], false, "{result}");
        result["structuredContent"].clone()
    }

    /// Calls a tool that refuses; returns the error and its text.
    pub async fn call_refused(&mut self, tool: &str, arguments: Value) -> (Value, String) {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        (result["structuredContent"]["error"].clone(), text)
    }

    /// Saves a checkpoint at this task, half done.
    pub async fn save(&mut self, task: &str) -> Value {
        self.call_ok(
            "shim_auto_checkpoint",
            json!({"current_task": task, "progress": 0.5}),
        )
        .await
    }

    /// Closes the input and waits for the gateway to leave.
    pub async fn close(mut self) {
        let mut input = self.input.take().unwrap();
        input.shutdown().await.unwrap();
        drop(input);
        self.serving.await.unwrap().unwrap();
    }
}
