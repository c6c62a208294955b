//! What an operator does to a stack that people work with: goes back to a backup, mends Redis, asks what it runs with.

mod backups;
mod damaged_redis;
mod permissions;
mod replaced_database;
mod short_ids;
mod surroundings;
mod tampering;

use std::process::{Output, Stdio};
use std::time::Duration;

use shim_tests::binary;
use shim_tests::temp_env::TempEnv;
use tokio::process::Command;

/// Only a command that is stuck takes longer.
const TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A person's shell in the home: no configuration of the machine reaches its commands.
fn command(temp: &TempEnv, words: &[&str]) -> Command {
    let mut command = Command::new(binary::shim());
    command
        .arg("--data-dir")
        .arg(temp.data_dir())
        .args(words)
        .current_dir(temp.project())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", temp.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What a command printed, and whether it succeeded.
struct Said {
    text: String,
    is_success: bool,
}

async fn ended(command: &mut Command) -> Said {
    let output: Output = tokio::time::timeout(TIMEOUT, command.output())
        .await
        .expect("the command ends")
        .unwrap();
    Said {
        text: String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr),
        is_success: output.status.success(),
    }
}

/// Runs a command to its end, whatever that is.
async fn run(temp: &TempEnv, words: &[&str]) -> Said {
    ended(&mut command(temp, words)).await
}

/// Runs a command that must succeed.
async fn shim(temp: &TempEnv, words: &[&str]) -> String {
    let said = run(temp, words).await;
    assert!(said.is_success, "shim {words:?}: {}", said.text);
    said.text
}

/// Starts the stack in the background, on no port, with a Redis of its own.
async fn up(temp: &TempEnv) {
    shim(temp, &["up", "--detach"]).await;
}

/// Runs a command again and again until its output has `part`.
async fn wait_until_said(temp: &TempEnv, words: &[&str], part: &str) -> String {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    loop {
        let said = run(temp, words).await;
        if said.text.contains(part) {
            return said.text;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "never \"{part}\": {}",
            said.text
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
