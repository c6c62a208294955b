//! Transcripts and the status line of Claude Code through the real program: a conversation of which nothing was saved comes
//! back, and the client's line says where a session stands.

mod recover;
mod status_line;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_tests::binary;
use shim_tests::temp_env::TempEnv;

/// The client's own id of the conversation.
const CONVERSATION: &str = "5d36536c-0000-4000-8000-00000000beef";

/// A home folder with Claude Code's folder in it, and a stack's data folder.
struct Home {
    temp: TempEnv,
}

impl Home {
    fn new() -> Self {
        Self {
            temp: TempEnv::new(),
        }
    }

    fn claude(&self) -> PathBuf {
        self.temp.root().join("claude")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary::shim());
        command
            .args(words)
            .env("SHIM_DATA_DIR", self.temp.data_dir())
            .env("CLAUDE_CONFIG_DIR", self.claude())
            .env("CLAUDE_PID", std::process::id().to_string())
            .env("COLUMNS", "300")
            .env("NO_COLOR", "1")
            .env_remove("SHIM_CONFIG")
            .current_dir(self.temp.project())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program with this input to its end.
    fn run(&self, words: &[&str], input: &[u8]) -> Output {
        use std::io::Write;
        let mut child = self.command(words).spawn().unwrap();
        // It may end without reading all of it.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    /// What a command that must end well prints.
    fn said(&self, words: &[&str], input: &[u8]) -> String {
        let output = self.run(words, input);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that must fail says.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.run(words, b"");
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn up(&self) {
        let output = self.run(&["up", "--detach"], b"");
        assert!(output.status.success(), "{output:?}");
    }

    fn channel(&self) -> Channel {
        connect(&Endpoint::Unix(self.temp.stack().socket()), None).unwrap()
    }

    /// Where the client keeps the transcript of the conversation.
    fn transcript(&self) -> PathBuf {
        let folder = self.claude().join("projects/-work-app");
        std::fs::create_dir_all(&folder).unwrap();
        folder.join(format!("{CONVERSATION}.jsonl"))
    }

    /// Writes the transcript of a session that was killed in its second tool call.
    fn killed(&self) -> PathBuf {
        let path = self.transcript();
        let folder = self.temp.project();
        let text = killed(&folder.display().to_string(), "Fix the parser");
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.temp.stop_stack();
    }
}

/// Lines as version 2.1.332 writes them: a prompt, a file that was written, and a command without a result; torn lines between.
fn killed(folder: &str, prompt: &str) -> String {
    let mut second = 0;
    let mut line = |kind: &str, fields: Value| {
        second += 1;
        let mut line = json!({"type": kind, "uuid": format!("u{second}"), "sessionId": CONVERSATION, "cwd": folder,
            "timestamp": format!("2026-01-02T10:00:{second:02}.000Z"), "version": "2.1.332", "isSidechain": false});
        line.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        line.to_string() + "\n"
    };
    let call = |id: &str, tool: &str, input: Value| {
        json!({"message": {"id": format!("m-{id}"), "role": "assistant", "model": "claude-opus-5-5", "stop_reason": "tool_use",
            "content": [{"type": "tool_use", "id": id, "name": tool, "input": input}]}})
    };
    let written = json!({"file_path": format!("{folder}/parser.rs"), "content": "let token = 1;"});
    let result = json!([{"type": "tool_result", "tool_use_id": "t1", "content": "The file has been updated"}]);
    let tested = json!({"command": "cargo test", "description": "Run the tests"});
    [
        line(
            "user",
            json!({"promptId": "p1", "message": {"role": "user", "content": prompt}}),
        ),
        line("assistant", call("t1", "Write", written)),
        "{\"type\":\"user\",\"sessionId\":\n\u{0}\u{1}binary\n".to_owned(),
        line(
            "user",
            json!({"promptId": "p1", "message": {"role": "user", "content": result}}),
        ),
        line("assistant", call("t2", "Bash", tested)),
        line("last-prompt", json!({"lastPrompt": prompt})),
    ]
    .concat()
}
