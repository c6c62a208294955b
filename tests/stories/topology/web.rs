//! The gateway over Streamable HTTP, spoken to in the era without handshakes: one call, one connection. So a gateway
//! that was killed and started again owes its clients nothing.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use shim_tests::{binary, temp_env::TempEnv};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PROTOCOL: &str = "2026-07-28";
/// No tool call may take longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A gateway that is a process of its own. Dropping it kills it.
pub(super) struct WebGateway {
    child: Child,
    address: String,
}

impl WebGateway {
    /// Starts it; it may not listen yet.
    pub(super) fn spawn(temp: &TempEnv, address: &str, environment: &[(String, String)]) -> Self {
        let log = std::fs::File::create(temp.root().join("web-gateway.log")).unwrap();
        let child = Command::new(binary::shim())
            .arg("--data-dir")
            .arg(temp.data_dir())
            .args(["gateway", "--http", address])
            .current_dir(temp.project())
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            child,
            address: address.to_owned(),
        }
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Calls a tool and returns its result.
    pub(super) async fn call(&self, tool: &str, arguments: &Value) -> io::Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": tool,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": PROTOCOL,
                "io.modelcontextprotocol/clientInfo": {"name": "story", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        }})
        .to_string();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nConnection: close\r\n\
             MCP-Protocol-Version: {PROTOCOL}\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            body.len(),
        );
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(&(head + &body))).await??;
        result(&answer).ok_or_else(|| io::Error::other(answer))
    }

    async fn exchange(&self, request: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

impl Drop for WebGateway {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

/// The result within an answer: JSON on a line of its own, or the data of a server-sent event.
fn result(answer: &str) -> Option<Value> {
    let messages = answer.lines().filter_map(|line| {
        let text = line.strip_prefix("data:").unwrap_or(line).trim();
        serde_json::from_str::<Value>(text).ok()
    });
    let mut results = messages.filter(|message| message["result"].is_object());
    Some(results.next()?["result"].take())
}
