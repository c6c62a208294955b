//! The plugin of Claude Code: put in place, looked at, taken away; and the leases that its hook before a tool looks at.

mod bundle;
mod doctor;
mod install;
mod leases;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use shim_tests::binary;
use shim_tests::temp_env::TempEnv;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Only a command that is stuck takes longer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What a command printed.
struct Said {
    stdout: String,
    stderr: String,
    is_success: bool,
}

impl Said {
    fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A person's home: `HOME` is its root, the working folder its project, and no configuration of the machine is in it.
struct Home {
    temp: TempEnv,
    variables: Vec<(String, String)>,
}

impl Home {
    fn new() -> Self {
        Self {
            temp: TempEnv::new(),
            variables: Vec::new(),
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.temp.root().join(inside)
    }

    fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, inside: &str) -> String {
        std::fs::read_to_string(self.path(inside)).unwrap_or_else(|why| panic!("{inside}: {why}"))
    }

    fn json(&self, inside: &str) -> Value {
        serde_json::from_str(&self.read(inside)).unwrap()
    }

    fn command(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(self.temp.project())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.temp.root())
            .env("SHIM_DATA_DIR", self.temp.data_dir())
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, words: &[&str]) -> Said {
        ended(&mut self.command(&binary::shim(), words), "").await
    }

    /// Runs a command that must succeed.
    async fn shim(&self, words: &[&str]) -> String {
        let said = self.run(words).await;
        assert!(said.is_success, "shim {words:?}: {}", said.all());
        said.all()
    }
}

/// Gives a program its input and waits for its end.
async fn ended(command: &mut Command, input: &str) -> Said {
    let run = async {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // One that reads nothing may be gone before all is written.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await.unwrap()
    };
    let output = tokio::time::timeout(TIMEOUT, run).await.expect("it ends");
    Said {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        is_success: output.status.success(),
    }
}

/// Every file below a folder, by its path in it, with its text.
fn tree(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let inside = path.strip_prefix(folder).unwrap().display().to_string();
                found.push((inside, std::fs::read_to_string(&path).unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}
