//! An MCP client in Claude's place: starts the real gateway and exchanges JSON objects with it, one a line.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::sandbox::Sandbox;
use crate::error::CliError;

/// The era Claude's clients speak today.
const PROTOCOL: &str = "2025-11-25";
/// The gateway promises an answer within 30 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);

/// One conversation with its gateway.
pub(super) struct McpClient {
    gateway: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    calls: u64,
    /// What the gateway said of itself.
    pub(super) server: String,
}

/// What a tool answered.
pub(super) struct ToolAnswer {
    /// The text a model reads.
    pub(super) text: String,
    /// The same facts for programs.
    pub(super) structured: Value,
}

impl McpClient {
    /// Starts a gateway in `project` and opens the connection.
    pub(super) async fn open(sandbox: &Sandbox, project: &Path) -> Result<Self, CliError> {
        let mut gateway = command(sandbox, project)?.spawn()?;
        let (Some(stdin), Some(stdout)) = (gateway.stdin.take(), gateway.stdout.take()) else {
            return Err(CliError::new("the gateway has no pipes"));
        };
        let stdout = BufReader::new(stdout).lines();
        let mut claude = Self {
            gateway,
            stdin,
            stdout,
            calls: 0,
            server: String::new(),
        };
        let client = json!({ "name": "shim-demo", "version": env!("CARGO_PKG_VERSION") });
        let hello =
            json!({ "protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client });
        let server = claude.request("initialize", &hello).await?;
        claude.server = format!(
            "{} {}",
            word(&server["serverInfo"]["name"]),
            word(&server["serverInfo"]["version"])
        );
        claude
            .send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await?;
        Ok(claude)
    }

    /// The names of the gateway's tools.
    pub(super) async fn tools(&mut self) -> Result<Vec<String>, CliError> {
        let listed = self.request("tools/list", &json!({})).await?;
        let tools = listed["tools"].as_array().cloned().unwrap_or_default();
        Ok(tools.iter().map(|tool| word(&tool["name"])).collect())
    }

    /// Calls a tool; a refusal is an error.
    pub(super) async fn call(
        &mut self,
        tool: &str,
        arguments: Value,
    ) -> Result<ToolAnswer, CliError> {
        let (answer, is_refused) = self.call_tool(tool, &arguments).await?;
        if is_refused {
            return Err(CliError::new(format!("{tool} refused: {}", answer.text)));
        }
        Ok(answer)
    }

    /// Calls a tool that must refuse; yields the text and the reason of the refusal.
    pub(super) async fn call_refused(
        &mut self,
        tool: &str,
        arguments: Value,
    ) -> Result<(String, String), CliError> {
        let (answer, is_refused) = self.call_tool(tool, &arguments).await?;
        if !is_refused {
            return Err(CliError::new(format!(
                "{tool} was to refuse this, and did it: {}",
                answer.text
            )));
        }
        Ok((answer.text, word(&answer.structured["error"]["reason"])))
    }

    async fn call_tool(
        &mut self,
        tool: &str,
        arguments: &Value,
    ) -> Result<(ToolAnswer, bool), CliError> {
        let params = json!({ "name": tool, "arguments": arguments });
        let mut result = self.request("tools/call", &params).await?;
        let content = result["content"].as_array().cloned().unwrap_or_default();
        let text = content.iter().map(|part| word(&part["text"]));
        let answer = ToolAnswer {
            text: text.collect::<Vec<_>>().join("\n"),
            structured: result["structuredContent"].take(),
        };
        Ok((answer, result["isError"] == true))
    }

    /// The gateway's process.
    pub(super) fn pid(&self) -> u32 {
        self.gateway.id().unwrap_or_default()
    }

    /// SIGKILL: the gateway cannot detach its session.
    pub(super) async fn kill(mut self) -> Result<(), CliError> {
        Ok(self.gateway.kill().await?)
    }

    /// Closes the gateway's input, as a client that ends in good order does.
    pub(super) async fn close(self) -> Result<(), CliError> {
        let Self {
            mut gateway,
            stdin,
            stdout,
            ..
        } = self;
        drop((stdin, stdout));
        let ended = tokio::time::timeout(ANSWER_WITHIN, gateway.wait()).await;
        ended
            .map_err(|_| CliError::new("the gateway did not leave when its input was closed"))??;
        Ok(())
    }

    async fn request(&mut self, method: &str, params: &Value) -> Result<Value, CliError> {
        self.calls += 1;
        let id = self.calls;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .await?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.answer_to(id)).await;
        let mut answer = answer.map_err(|_| {
            CliError::new(format!("{method} was not answered in {ANSWER_WITHIN:?}"))
        })??;
        if let Some(error) = answer.get("error") {
            return Err(CliError::new(format!(
                "{method} failed: {}",
                word(&error["message"])
            )));
        }
        Ok(answer["result"].take())
    }

    async fn send(&mut self, message: &Value) -> Result<(), CliError> {
        let line = format!("{message}\n");
        let sent = self.stdin.write_all(line.as_bytes()).await;
        sent.map_err(|e| CliError::new(format!("the gateway does not listen: {e}")))
    }

    /// Reads past notifications to the answer.
    async fn answer_to(&mut self, id: u64) -> Result<Value, CliError> {
        while let Some(line) = self.stdout.next_line().await? {
            let message: Value = serde_json::from_str(&line).map_err(|e| {
                CliError::new(format!(
                    "the gateway wrote a line that is no JSON ({e}): {line}"
                ))
            })?;
            if message["id"] == id {
                return Ok(message);
            }
        }
        Err(CliError::new("the gateway closed the connection"))
    }
}

fn command(sandbox: &Sandbox, project: &Path) -> Result<Command, CliError> {
    let mut command = sandbox.shim()?;
    command
        .arg("gateway")
        .current_dir(project)
        // A demo that Claude Code itself runs must not act for that conversation.
        .env_remove("CLAUDE_CODE_SESSION_ID")
        .env("CLAUDE_PROJECT_DIR", project)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(sandbox.log()?)
        .kill_on_drop(true);
    Ok(command)
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
