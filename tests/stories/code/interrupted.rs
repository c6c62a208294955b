//! Ctrl-C in the middle of an approval, and test runners that are killed: a clear end, nothing changed, nothing left.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use shim_tests::{binary, process};
use tokio::process::{Child, Command};

use super::{CodeEnv, MANIFEST, SOURCE};

const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Far more than anything here takes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A trusted project whose tests write down their process and never end while the file `slow` is there; the id of a proposal.
async fn endless(env: &CodeEnv) -> String {
    let at = |name: &str| env.temp.root().join(name);
    let test = format!(
        "const fs = require('node:fs');\nfs.appendFileSync({:?}, `${{process.pid}} ${{process.ppid}}\\n`);\nwhile (fs.existsSync({:?}));\nrequire('node:test')('clamp', () => {{}});\n",
        at("pids"),
        at("slow")
    );
    std::fs::write(env.root().join("test/ranges.test.js"), test).unwrap();
    env.git(&["commit", "-q", "-a", "-m", "endless"]);
    std::fs::write(at("slow"), "").unwrap();
    env.said(&["trust", "."]).await;
    let words = ["evolve", ".", "--transform", "var-to-let-const", "--json"];
    let proposed = env.json(&words).await;
    let id = proposed[0]["evolution"]["evolutionId"].as_str().unwrap();
    id.to_owned()
}

/// The processes of a test and of its runner, of each run so far.
fn runs(env: &CodeEnv) -> Vec<[u32; 2]> {
    let text = std::fs::read_to_string(env.temp.root().join("pids")).unwrap_or_default();
    let numbers = text.lines().filter_map(|line| {
        let (test, runner) = line.split_once(' ')?;
        Some([test.parse().ok()?, runner.parse().ok()?])
    });
    numbers.collect()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let waited = tokio::time::timeout(TIMEOUT, waiting).await;
    assert!(waited.is_ok(), "never: {what}");
}

fn approving(env: &CodeEnv, id: &str) -> Child {
    let mut command = Command::new(binary::shim());
    command
        .arg("--data-dir")
        .arg(env.temp.data_dir())
        .args(["evolve", "approve", id])
        .current_dir(env.root())
        .env("HOME", env.temp.root())
        .env("SHIM_REDIS_URL", env.redis.url())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command.spawn().unwrap()
}

async fn until_all_ended(env: &CodeEnv) {
    let all: Vec<u32> = runs(env).concat();
    until("the runners end", || {
        all.iter().all(|pid| process::parent(*pid).is_none())
    })
    .await;
    let worktrees = env.root().join(".git/worktrees");
    until("the worktree is gone", || !worktrees.exists()).await;
    env.assert_untouched();
}

async fn assert_state(env: &CodeEnv, id: &str, state: &str) {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    loop {
        let shown = &env.json(&["evolve", "show", id, "--json"]).await[0]["evolution"];
        let found = shown["state"].as_str().unwrap_or_default().to_owned();
        if found != "EVOLUTION_STATE_APPLYING" {
            assert_eq!(found, state);
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "still applying");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_an_approval_whose_tests_never_end() {
    let env = CodeEnv::new().await;
    let id = endless(&env).await;
    let mut command = approving(&env, &id);
    until("the tests begin", || !runs(&env).is_empty()).await;
    process::signal(command.id().unwrap(), Signal::SIGINT);
    assert!(!command.wait().await.unwrap().success());
    until_all_ended(&env).await;
    assert_state(&env, &id, "EVOLUTION_STATE_PROPOSED").await;
    assert_eq!(env.git(&["branch", "--list", "shim*"]), "");

    std::fs::remove_file(env.temp.root().join("slow")).unwrap();
    let approved = env.said(&["evolve", "approve", &id]).await;
    assert!(approved.contains("committed on branch"), "{approved}");
    let source = env.git(&["show", "main:src/ranges.js"]);
    assert_eq!(source, SOURCE);
    assert_eq!(env.git(&["show", "main:package.json"]), MANIFEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_is_killed_each_time_proves_nothing_and_is_told() {
    let env = CodeEnv::new().await;
    let id = endless(&env).await;
    let command = approving(&env, &id);
    for run in 1..=2 {
        until("the tests begin", || runs(&env).len() >= run).await;
        let [_, runner] = runs(&env)[run - 1];
        process::signal(runner, Signal::SIGKILL);
    }
    let output = command.wait_with_output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("TOOL_FAILED"), "{told}");
    until_all_ended(&env).await;
    assert_state(&env, &id, "EVOLUTION_STATE_PROPOSED").await;
}
